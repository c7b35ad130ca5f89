/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ESP's files: one that is asked for by name, or whole folders walked in
 * the order that the file system keeps. Names and sizes are outside input; what
 * the contents mean is for the kernel to judge.
 */
#include "boot/files.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"

#define FILES_DEPTH_MAX 4
#define FILES_CHUNK	(8 * MiB) /* large, as each call into a firmware driver is slow */
#define FILES_SIZE_MAX	(64 * GiB)

EFI_STATUS files_open_volume(EFI_HANDLE image, EFI_FILE_HANDLE *root)
{
	EFI_GUID image_guid = EFI_LOADED_IMAGE_PROTOCOL_GUID;
	EFI_GUID volume_guid = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;
	EFI_LOADED_IMAGE *loaded;
	EFI_FILE_IO_INTERFACE *volume;
	EFI_STATUS status;

	status = fw_boot->HandleProtocol(image, &image_guid, (void **)&loaded);
	if (!EFI_ERROR(status))
		status =
		    fw_boot->HandleProtocol(loaded->DeviceHandle, &volume_guid, (void **)&volume);
	if (!EFI_ERROR(status))
		status = volume->OpenVolume(volume, root);
	if (EFI_ERROR(status))
		fw_print("pagurus: cannot open the volume that the loader came from: %s; the "
			 "loader needs a FAT file system\n",
			 fw_status_text(status));
	return status;
}

static EFI_STATUS files_open(EFI_FILE_HANDLE dir, const CHAR16 *name, EFI_FILE_HANDLE *file)
{
	return dir->Open(dir, file, (CHAR16 *)name, EFI_FILE_MODE_READ, 0);
}

static EFI_STATUS files_size(EFI_FILE_HANDLE file, uint64_t *size)
{
	EFI_STATUS status = file->SetPosition(file, UINT64_MAX); /* means: the end */

	if (!EFI_ERROR(status))
		status = file->GetPosition(file, size);
	if (!EFI_ERROR(status))
		status = file->SetPosition(file, 0);
	return status;
}

static EFI_STATUS files_read_all(EFI_FILE_HANDLE file, uint8_t *dst, uint64_t size)
{
	uint64_t done = 0;

	while (done < size) {
		UINTN chunk = MIN(size - done, FILES_CHUNK);
		EFI_STATUS status = file->Read(file, &chunk, dst + done);

		if (EFI_ERROR(status))
			return status;
		if (chunk == 0) /* shorter than its folder entry says */
			return EFI_VOLUME_CORRUPTED;
		done += chunk;
	}
	return EFI_SUCCESS;
}

static EFI_STATUS files_load(EFI_FILE_HANDLE file, uint64_t limit, void **base, uint64_t *size)
{
	EFI_STATUS status = files_size(file, size);

	if (EFI_ERROR(status))
		return status;
	if (*size > limit)
		return EFI_OUT_OF_RESOURCES;
	*base = fw_pages_alloc(*size);
	if (!*base)
		return EFI_OUT_OF_RESOURCES;
	status = files_read_all(file, *base, *size);
	if (EFI_ERROR(status))
		fw_pages_free(*base, *size);
	return status;
}

EFI_STATUS files_read(EFI_FILE_HANDLE root, const CHAR16 *path, uint64_t limit, void **base,
		      uint64_t *size)
{
	EFI_FILE_HANDLE file;
	EFI_STATUS status = files_open(root, path, &file);

	if (EFI_ERROR(status))
		return status;
	status = files_load(file, limit, base, size);
	file->Close(file);
	return status;
}

/* Reads the open file into the next slot of the handoff, or says why not. */
static void files_add(EFI_FILE_HANDLE file, const char *path, struct handoff *handoff)
{
	struct handoff_file *slot = &handoff->files[handoff->file_count];
	void *base = NULL;
	uint64_t size = 0;
	EFI_STATUS status;
	char words[16];

	if (handoff->file_count == HANDOFF_MAX_FILES) {
		fw_print("pagurus: %s left out: at most %d files\n", path, HANDOFF_MAX_FILES);
		return;
	}
	status = files_load(file, FILES_SIZE_MAX, &base, &size);
	if (EFI_ERROR(status)) {
		fw_print("pagurus: %s left out (%s): %s\n", path, format_size(words, size),
			 fw_status_text(status));
		return;
	}
	str_copy(slot->path, path, sizeof(slot->path));
	slot->base = (uintptr_t)base;
	slot->size = size;
	handoff->file_count++;
	fw_print("pagurus: %s, %s\n", path, format_size(words, size));
}

/*
 * path = prefix "/" name. Plain printable ASCII only: these names become keys
 * in the kernel, and two spellings of one name would be a trap.
 */
static bool files_path(char path[HANDOFF_PATH_LEN], const char *prefix, const CHAR16 *name)
{
	size_t len = (size_t)ksnprintf(path, HANDOFF_PATH_LEN, "%s/", prefix);

	for (; *name; name++) {
		if (*name <= ' ' || *name > '~' || *name == '/' || len + 1 >= HANDOFF_PATH_LEN)
			return false;
		path[len++] = (char)*name;
	}
	path[len] = 0;
	return true;
}

static void files_walk(EFI_FILE_HANDLE dir, const char *prefix, unsigned depth,
		       struct handoff *handoff);

static void files_visit(EFI_FILE_HANDLE dir, const EFI_FILE_INFO *info, const char *prefix,
			unsigned depth, struct handoff *handoff)
{
	bool is_dir = info->Attribute & EFI_FILE_DIRECTORY;
	char path[HANDOFF_PATH_LEN];
	EFI_FILE_HANDLE file;
	EFI_STATUS status;

	if (info->FileName[0] == '.')
		return; /* ".", "..", and what other systems litter sticks with */
	if (!files_path(path, prefix, info->FileName)) {
		fw_print("pagurus: a name in %s left out: use printable ASCII without spaces, %d "
			 "characters with folders\n",
			 prefix, HANDOFF_PATH_LEN - 1);
		return;
	}
	status = files_open(dir, info->FileName, &file);
	if (EFI_ERROR(status)) {
		fw_print("pagurus: %s left out: %s\n", path, fw_status_text(status));
		return;
	}
	if (is_dir && depth == FILES_DEPTH_MAX)
		fw_print("pagurus: %s left out: folders nested too deep\n", path);
	else if (is_dir)
		files_walk(file, path, depth + 1, handoff);
	else
		files_add(file, path, handoff);
	file->Close(file);
}

static void files_walk(EFI_FILE_HANDLE dir, const char *prefix, unsigned depth,
		       struct handoff *handoff)
{
	/* room for the longest name of a FAT file system, 255 characters */
	union {
		EFI_FILE_INFO info;
		uint8_t room[sizeof(EFI_FILE_INFO) + 256 * sizeof(CHAR16)];
	} entry;

	for (;;) {
		UINTN size = sizeof(entry);
		EFI_STATUS status = dir->Read(dir, &size, &entry);

		if (EFI_ERROR(status)) {
			fw_print("pagurus: folder %s cannot be read to its end: %s\n", prefix,
				 fw_status_text(status));
			return;
		}
		if (size == 0)
			return;
		files_visit(dir, &entry.info, prefix, depth, handoff);
	}
}

void files_collect(EFI_FILE_HANDLE root, struct handoff *handoff)
{
	static const struct {
		const CHAR16 *path;
		const char *name;
	} folders[] = {{L"\\pagurus\\vms", "vms"}, {L"\\pagurus\\files", "files"}};
	EFI_FILE_HANDLE file;

	if (!EFI_ERROR(files_open(root, L"\\pagurus\\host.conf", &file))) {
		files_add(file, "host.conf", handoff);
		file->Close(file);
	} else {
		fw_print("pagurus: no \\pagurus\\host.conf: the host has only its defaults\n");
	}
	for (unsigned i = 0; i < ARRAY_SIZE(folders); i++) {
		if (EFI_ERROR(files_open(root, folders[i].path, &file)))
			continue; /* a host without preloaded VMs is usual */
		files_walk(file, folders[i].name, 1, handoff);
		file->Close(file);
	}
}
