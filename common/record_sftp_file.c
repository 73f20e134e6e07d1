#include "record_sftp_file.h"

#include <stdlib.h>
#include <string.h>
#include <towline/str.h>

#include "record_sftp.h"

struct tl_sftp_file *tl_sftp_file_find(const struct tl_sftp_files *files,
				       struct tl_ssh_string handle)
{
	struct tl_sftp_file *file = files->first;

	while (file && (file->closing || file->len != handle.len ||
			memcmp(file->handle, handle.bytes, handle.len) != 0))
		file = file->next;
	return file;
}

int tl_sftp_file_add(struct tl_sftp_files *files, struct tl_ssh_string handle, char *path,
		     bool directory)
{
	struct tl_sftp_file *file;

	if (handle.len == 0 || handle.len > TL_SFTP_HANDLE_BYTES_MAX ||
	    tl_sftp_file_find(files, handle))
		return TL_EPROTO;
	if (files->count == TL_SFTP_HANDLES_MAX)
		return TL_ETOOBIG;
	file = calloc(1, sizeof *file + handle.len);
	if (!file)
		return TL_ENOMEM;
	memcpy(file->handle, handle.bytes, handle.len);
	file->len = handle.len;
	file->directory = directory;
	file->path = path;
	file->next = files->first;
	files->first = file;
	files->count++;
	return 0;
}

void tl_sftp_file_remove(struct tl_sftp_files *files, struct tl_sftp_file *file)
{
	struct tl_sftp_file **link = &files->first;

	while (*link != file)
		link = &(*link)->next;
	*link = file->next;
	files->count--;
	tl_sha256_free(file->read.hash);
	tl_sha256_free(file->written.hash);
	free(file->path);
	free(file);
}

void tl_sftp_flow_add(struct tl_sftp_flow *flow, uint64_t offset, struct tl_ssh_string data)
{
	if (!flow->hash && flow->bytes == 0)
		flow->hash = tl_sha256_new();
	flow->broken |= offset != flow->next || !flow->hash;
	if (!flow->broken)
		tl_sha256_update(flow->hash, data.bytes, data.len);
	flow->bytes += data.len;
	flow->next = offset + data.len;
}

void tl_sftp_flow_digest(struct tl_sftp_flow *flow, char hex[static TL_SHA256_HEX])
{
	uint8_t digest[TL_SHA256_LEN];

	hex[0] = '\0';
	if (flow->broken || !flow->hash)
		return;
	tl_sha256_final(flow->hash, digest);
	tl_hex_encode(digest, sizeof digest, hex);
}
