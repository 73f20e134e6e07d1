/* The packed bytes of a bundle as libarchive reads them: counted, hashed and bounded on the way.
 * Private to common/bundle. */
#ifndef TOWLINE_BUNDLE_PACKED_H
#define TOWLINE_BUNDLE_PACKED_H

#include <archive.h>
#include <stdint.h>
#include <towline/bundle.h>
#include <towline/crypto.h>

struct packed {
	int fd;
	uint64_t max_bytes, bytes;
	struct tl_sha256 *hash; /* may be NULL */
	struct tl_err fault;	/* what stopped reading, code 0 when nothing did */
	char buffer[64 * 1024];
};

/* Opens `archive` on the packed bytes; only tar and zstd are understood. */
TL_MUST_CHECK int bundle_packed_open(struct packed *packed, struct archive *archive,
				     struct tl_err *err);
/* Reads on to the end of the file; refuses more than a block's rest behind the archive. */
TL_MUST_CHECK int bundle_packed_drain(struct packed *packed, struct tl_err *err);

/* As tl_bundle_walk; packed->hash sees every byte. Also gives the bundle's id and unpacked size. */
struct walk_totals {
	char id[27];
	uint64_t unpacked_bytes, members;
};
TL_MUST_CHECK int bundle_walk(struct packed *packed, const struct tl_bundle_limits *limits,
			      const struct tl_bundle_visitor *visitor,
			      struct walk_totals *ret_totals, struct tl_err *err);

#endif
