/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boot files that this host lacks, so that the guest can reboot here. Only a file
 * that the offer named and that we said we lack is taken, and only whole.
 */
#include "kernel/files.h"
#include "kernel/lib/crc32c.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "migrate/move.h"

/* Index in the offer, or -E_NOENT. A saved state has all files, whether or not we lack them. */
static int find_offered(const struct move *m, const struct stream_file *sf)
{
	for (unsigned i = 0; i < m->offer->file_count; i++)
		if ((m->from_store || (m->facts->files_missing & (1u << i))) &&
		    !memcmp(&m->offer->files[i], sf, sizeof(*sf)))
			return (int)i;
	return -E_NOENT;
}

/* A name in the configuration (VM_PATH_LEN) becomes that of the same file here. */
static void rename_here(const struct move *m, char *path)
{
	for (unsigned i = 0; i < m->offer->file_count; i++) {
		const struct stream_file *sf = &m->offer->files[i];
		const struct file *f;

		if (strcmp(sf->path, path))
			continue;
		f = files_find(sf->path);
		if (!f || f->size != sf->size || f->crc != sf->crc)
			f = files_find_content(sf->size, sf->crc);
		if (f)
			str_copy(path, f->path, VM_PATH_LEN);
		return; /* once: the new name may be another file's old one */
	}
}

/* Files that this host has under other names. */
void received_files_rename(struct move *m)
{
	struct vm_config *cfg = &m->offer->cfg;

	rename_here(m, cfg->kernel);
	rename_here(m, cfg->initrd);
	for (unsigned i = 0; i < cfg->module_count; i++)
		rename_here(m, cfg->modules[i].path);
}

int received_file_begin(struct move *m, struct received_file *f, const struct stream_record *r)
{
	struct stream_file sf;
	int i, err;

	memcpy(&sf, r->payload, sizeof(sf));
	i = find_offered(m, &sf);
	if (i < 0 || f->data || f->skip)
		return stream_fail(&m->st, -E_PROTO, "a boot file came that nobody asked for");
	memset(f, 0, sizeof(*f));
	if (!(m->facts->files_missing & (1u << i))) {
		f->skip = sf.size;
		return 0;
	}
	str_copy(f->path, sf.path, sizeof(f->path));
	err = files_create(f->path, sf.size, &f->data);
	if (err == -E_EXIST) { /* another content under that name */
		ksnprintf(f->path, sizeof(f->path), "moved/%08x/%.40s", sf.crc, m->p.vm);
		err = files_create(f->path, sf.size, &f->data);
	}
	if (err) {
		f->data = NULL;
		return move_fail(m, err, "making room for a boot file");
	}
	f->size = sf.size;
	f->crc = sf.crc;
	m->facts->files_missing &= ~(1u << i);
	return 0;
}

/* The last piece commits the file and leaves f->data NULL. */
int received_file_data(struct move *m, struct received_file *f, const struct stream_record *r)
{
	if (f->skip && r->length <= f->skip) {
		f->skip -= r->length;
		return 0;
	}
	if (!f->data || r->length > f->size - f->at)
		return stream_fail(&m->st, -E_PROTO, "more of a boot file came than it has");
	memcpy(f->data + f->at, r->payload, r->length);
	f->at += r->length;
	if (f->at < f->size)
		return 0;
	if (crc32c(0, f->data, f->size) != f->crc) {
		received_file_discard(f);
		return stream_fail(&m->st, -E_CHECKSUM, "boot file %s arrived with another content",
				   f->path);
	}
	files_commit(f->path);
	f->data = NULL;
	return 0;
}

void received_file_discard(struct received_file *f)
{
	if (f->data)
		files_discard(f->path);
	f->data = NULL;
}
