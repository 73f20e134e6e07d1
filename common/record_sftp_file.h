/* The files that an SFTP channel has open, and the bytes that went through each. Private to
 * record_sftp.c. */
#ifndef TOWLINE_RECORD_SFTP_FILE_H
#define TOWLINE_RECORD_SFTP_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <towline/crypto.h>
#include <towline/err.h>
#include <towline/sshkey.h>

#define TL_SFTP_HANDLE_BYTES_MAX 256 /* of a handle's name (draft-ietf-secsh-filexfer-02, 6.2) */

/* One direction of a file's bytes. */
struct tl_sftp_flow {
	uint64_t bytes, next; /* `next`: the offset that continues it */
	bool broken;	      /* not in order: no hash */
	struct tl_sha256 *hash;
};

struct tl_sftp_file {
	struct tl_sftp_file *next;
	char *path; /* never NULL */
	bool directory, failed;
	bool closing; /* no further request may name it */
	struct tl_sftp_flow read, written;
	size_t len;
	char handle[]; /* the server's name for it, `len` bytes */
};

struct tl_sftp_files {
	struct tl_sftp_file *first;
	size_t count;
};

/* NULL for a handle that is not open, or is being closed. */
struct tl_sftp_file *tl_sftp_file_find(const struct tl_sftp_files *files,
				       struct tl_ssh_string handle);
/* `path` is taken over with success. TL_EPROTO for a handle that is open or no handle, TL_ETOOBIG,
 * TL_ENOMEM. */
TL_MUST_CHECK int tl_sftp_file_add(struct tl_sftp_files *files, struct tl_ssh_string handle,
				   char *path, bool directory);
void tl_sftp_file_remove(struct tl_sftp_files *files, struct tl_sftp_file *file);

void tl_sftp_flow_add(struct tl_sftp_flow *flow, uint64_t offset, struct tl_ssh_string data);
/* "" when the bytes did not pass in order from the beginning. Once. */
void tl_sftp_flow_digest(struct tl_sftp_flow *flow, char hex[static TL_SHA256_HEX]);

#endif
