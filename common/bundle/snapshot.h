/* A snapshot taken apart for comparing. Private to common/bundle. */
#ifndef TOWLINE_BUNDLE_SNAPSHOT_H
#define TOWLINE_BUNDLE_SNAPSHOT_H

#include <towline/bundle_diff.h>

#define SNAPSHOT_MEMBER_MAX (32u * 1024 * 1024)
#define SNAPSHOT_TOTAL_MAX (128u * 1024 * 1024)

struct tl_snapshot {
	json_t *matters;    /* "packages" → {key → value} */
	json_t *states;	    /* "packages" → "ok", or why it is not whole */
	json_t *owners;	    /* "packages" → its collector */
	json_t *collectors; /* collector → outcome; NULL: a snapshot alone */
};

struct tl_snapshot *snapshot_new(void);
/* Takes in the member at `path` of a bundle: one below snapshot/, or INDEX.json; others are ignored. */
TL_MUST_CHECK int snapshot_add(struct tl_snapshot *snapshot, const char *path, const char *text,
			       size_t len, struct tl_err *err);
/* Is this a member that snapshot_add wants? */
bool snapshot_wants(const char *path);
/* Nobody can say that the matter is whole: its collector did not run, was denied, ran out of time. */
bool snapshot_is_partial(const struct tl_snapshot *snapshot, const char *matter,
			 const char *collector);

#endif
