/* Single files that were compressed (gzip, xz, zstd, bzip2, lz4), unpacked as they are read and within
 * bounds. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_PACKED_H
#define TOWLINE_COLLECT_PACKED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <towline/attr.h>
#include <towline/err.h>

#define PACKED_HEAD 512			/* bytes that packed_kind wants to see */
#define PACKED_BYTES_MAX (1024LL << 20) /* unpacked */
#define PACKED_RATIO_MAX 1000		/* beyond the first MiB */

enum packed_kind {
	PACKED_NOT,
	PACKED_FILE,
	PACKED_ARCHIVE /* of several files */
};
/* By the first bytes. */
enum packed_kind packed_kind(const void *head, size_t len);

/* Length of `name` without a compression's suffix; its whole length where it has none. */
size_t packed_stem(const char *name);

struct packed;

/* `fd` stays the caller's; it is read from its beginning with pread(2). */
TL_MUST_CHECK int packed_open(int fd, struct packed **ret_packed, struct tl_err *err);
/* Bytes put into `bytes`, 0 at the end or at the limits, negative TL_E*. */
TL_MUST_CHECK ssize_t packed_read(struct packed *packed, void *bytes, size_t len,
				  struct tl_err *err);
bool packed_is_limited(const struct packed *packed);
void packed_free(struct packed *packed);
TL_DEFINE_AUTO_PTR(packed, packed_free);

#endif
