/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The VM generation id's page: memory beside the guest's RAM, which firmware and
 * kernels find reserved. What moves is the state; the page is made from it.
 */
#include "vmm/dev/vgenid.h"
#include "arch/x86/virt.h"
#include "kernel/entropy.h"
#include "kernel/lib/string.h"
#include "kernel/mem.h"
#include "vmm/dev/vpm.h"
#include "vmm/guest_map.h"

static struct vgenid *to_vgenid(struct vdev *d)
{
	return container_of(d, struct vgenid, vdev);
}

/* Also mends what the guest wrote there: the page is its memory. */
static void show(struct vdev *d)
{
	struct vgenid *g = to_vgenid(d);

	memset(g->page, 0, PAGE_SIZE);
	memcpy(g->page, g->s.id, sizeof(g->s.id));
}

/* Not the UUID itself: nobody should take one for the other. */
static void derive(struct vgenid *g, const uint8_t uuid[16])
{
	static const char salt[17] = "VM_Gen_Counter.1";

	for (unsigned i = 0; i < sizeof(g->s.id); i++)
		g->s.id[i] = uuid[i] ^ (uint8_t)salt[i];
}

void vgenid_renew(struct vgenid *g)
{
	entropy_fill(g->s.id, sizeof(g->s.id));
	show(&g->vdev);
	vpm_raise_gpe(g->vdev.vm->vpm, VPM_GPE_GENERATION);
}

static void vgenid_quiesce(struct vdev *d)
{
	/* nothing of the host's runs */
}

static int vgenid_check(const struct vdev *d, const void *state)
{
	return 0; /* every id is one */
}

static void vgenid_destroy(struct vdev *d)
{
	struct vgenid *g = to_vgenid(d);

	d->vm->vgenid = NULL;
	list_remove(&d->node);
	page_free(g->page); /* no vCPU is left that could reach it */
	kfree(g);
}

static const struct state_field vgenid_fields[] = {
    STATE_ARRAY(struct vgenid_state, id),
};

static const struct state_table vgenid_table = {
    .name = "vgenid",
    .version = 1,
    .struct_size = sizeof(struct vgenid_state),
    .fields = vgenid_fields,
    .field_count = ARRAY_SIZE(vgenid_fields),
};

static const struct vdev_ops vgenid_ops = {
    .table = &vgenid_table,
    .reset = show, /* a reboot keeps the id */
    .quiesce = vgenid_quiesce,
    .check = vgenid_check,
    .resume = show,
    .destroy = vgenid_destroy,
};

int vgenid_create(struct vm *vm, struct vgenid **out)
{
	struct vgenid *g = kzalloc(sizeof(*g));
	int err = -E_NOMEM;

	if (!g)
		return -E_NOMEM;
	g->page = page_alloc();
	if (!g->page)
		goto undo_alloc;
	err = slat_map(vm->slat, GUEST_GENERATION, virt_to_hpa(g->page), PAGE_SIZE);
	if (err)
		goto undo_page;
	derive(g, vm->uuid);
	vdev_add(vm, &g->vdev, &vgenid_ops, 0, &g->s);
	*out = g;
	return 0;

undo_page:
	page_free(g->page);
undo_alloc:
	kfree(g);
	return err;
}
