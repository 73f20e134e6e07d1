/* What an SFTP channel does, read off its bytes as they pass: each change and each transfer becomes one
 * event, with sizes and hashes. SFTP version 3 (draft-ietf-secsh-filexfer-02) and OpenSSH's extensions
 * (openssh/PROTOCOL). Private to common/. One thread at a time.
 *
 * It only listens. Bytes that it cannot follow are TL_EPROTO, and must then not pass. */
#ifndef TOWLINE_RECORD_SFTP_H
#define TOWLINE_RECORD_SFTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <towline/crypto.h>
#include <towline/err.h>

#define TL_SFTP_PACKET_MAX (256 * 1024) /* OpenSSH's bound */
#define TL_SFTP_PENDING_MAX 4096	/* requests without an answer */
#define TL_SFTP_HANDLES_MAX 1024

struct tl_sftp_event {
	const char
		*op; /* "transfer", "open", "list", "remove", "mkdir", "rmdir", "rename", "symlink",
			 * "link", "attributes", "copy", "extended" */
	const char *path, *to; /* "" where unknown; `to` NULL where there is none */
	bool ok;
	/* Of a transfer. A hash is there when all bytes passed in order from the file's beginning. */
	uint64_t read_bytes, written_bytes;
	char read_sha256[TL_SHA256_HEX], written_sha256[TL_SHA256_HEX];
};

typedef int tl_sftp_on_event(void *arg, const struct tl_sftp_event *event, struct tl_err *err);

struct tl_sftp;
/* NULL when memory ran out. */
struct tl_sftp *tl_sftp_new(tl_sftp_on_event *on_event, void *arg);
/* From client to server, and back. 0, TL_EPROTO, TL_ETOOBIG, TL_ENOMEM, or what on_event returned. */
TL_MUST_CHECK int tl_sftp_request(struct tl_sftp *sftp, const void *bytes, size_t len,
				  struct tl_err *err);
TL_MUST_CHECK int tl_sftp_reply(struct tl_sftp *sftp, const void *bytes, size_t len,
				struct tl_err *err);
/* The channel is over: files that were still open are told, as not ok. */
TL_MUST_CHECK int tl_sftp_end(struct tl_sftp *sftp, struct tl_err *err);
void tl_sftp_free(struct tl_sftp *sftp);

#endif
