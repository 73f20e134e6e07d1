/* Reading bundles: tar (pax) + zstd, one top directory, MANIFEST.json first, INDEX.json last
 * (docs/bundle-format.md). The reader treats a bundle as hostile: bounded size, ratio, member count,
 * path length and depth; regular files and directories only; no path outside the top directory.
 * Own static library (libarchive): linked only by programs that are started when needed.
 * One thread at a time. */
#ifndef TOWLINE_BUNDLE_H
#define TOWLINE_BUNDLE_H

#include <stdint.h>
#include <towline/attr.h>
#include <towline/err.h>
#include <towline/json.h>

#define TL_BUNDLE_SCHEMA 1
#define TL_BUNDLE_PATH_MAX 4096

struct tl_bundle_limits {
	uint64_t max_packed_bytes;   /* of the .tar.zst */
	uint64_t max_unpacked_bytes; /* of all members */
	uint64_t max_members;
	uint64_t max_ratio; /* unpacked : packed, checked beyond the first MiB */
};
extern const struct tl_bundle_limits tl_bundle_limits_default;

struct tl_bundle_member {
	const char *path; /* below the top directory; borrowed until the next call */
	uint64_t size;
	unsigned mode;
	int64_t mtime_s;
};

/* Called for each member in order. Data comes in pieces through `data` until NULL/0 ends the member.
 * A negative result stops the walk and is returned by it. Either may be NULL. */
struct tl_bundle_visitor {
	int (*member)(void *arg, const struct tl_bundle_member *member, struct tl_err *err);
	int (*data)(void *arg, const void *bytes, size_t len, struct tl_err *err);
	void *arg;
};

/* Walks the bundle read from `fd` (sequentially; need not be seekable). */
TL_MUST_CHECK int tl_bundle_walk(int fd, const struct tl_bundle_limits *limits,
				 const struct tl_bundle_visitor *visitor, struct tl_err *err);

struct tl_bundle_facts {
	char id[27];
	uint64_t packed_bytes, unpacked_bytes, members;
	char sha256[65];			       /* of the packed file */
	char index_sha256[65];			       /* of INDEX.json */
	json_t *manifest, *index, *redaction, *errors; /* owned; errors: array of its lines */
	json_t *analysis;			       /* owned; NULL: there is none */
};
void tl_bundle_facts_clear(struct tl_bundle_facts *facts);
TL_DEFINE_AUTO(tl_bundle_facts, tl_bundle_facts_clear);

/* Walks the bundle and checks everything that it says of itself: order, schema, every member listed in
 * INDEX.json with its size and SHA-256, nothing unlisted. */
TL_MUST_CHECK int tl_bundle_check(int fd, const struct tl_bundle_limits *limits,
				  struct tl_bundle_facts *ret_facts, struct tl_err *err);

#endif
