/* SPDX-License-Identifier: BSD-2-Clause */
/* Between restore.c and restore_read.c: a saved VM that is being taken out of a datastore. */
#ifndef MIGRATE_RESTORE_INNER_H
#define MIGRATE_RESTORE_INNER_H

#include "migrate/receive.h"
#include "migrate/save.h"

struct restore {
	struct move *m;
	struct receiver rx;
	struct datastore *ds;
	struct restore_options opt;
	struct ds_object *object;
	struct object_io io;
	struct stream_hello hello;
	char name[DS_NAME_LEN]; /* of the object */
	char vm[VM_NAME_LEN];	/* of which VM it must be */
	bool used;		/* it was restored before */
	bool reverted;		/* a snapshot's: its disks were just put back with it */
	struct vm_config *old;	/* of the VM that is replaced */
};

/* The VM is built from the object, inert; on an error r->rx has what must be undone. Blocks. */
int must_check restore_read(struct restore *r);
/* rx->judge. */
int must_check restore_judge(struct receiver *rx);

#endif
