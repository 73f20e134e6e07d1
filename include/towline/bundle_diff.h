/* What changed between two snapshots of a host: typed, by key, not text. A snapshot is a bundle (sealed
 * ones with their key), the directory of an unpacked bundle, or one snapshot file (as `towline-agent health
 * --json` prints it). Part of towline_bundle. One thread at a time. */
#ifndef TOWLINE_BUNDLE_DIFF_H
#define TOWLINE_BUNDLE_DIFF_H

#include <stdbool.h>
#include <stdio.h>
#include <towline/attr.h>
#include <towline/err.h>
#include <towline/json.h>
#include <towline/sealed.h>

struct tl_snapshot;
/* Reads the snapshot at `path`; hostile input. `key` may be NULL. */
TL_MUST_CHECK int tl_snapshot_load(const char *path, const struct tl_unseal_key *key,
				   struct tl_snapshot **ret_snapshot, struct tl_err *err);
/* The same from one JSON text named `name`, for tests. */
TL_MUST_CHECK int tl_snapshot_parse(const char *name, const char *text, size_t len,
				    struct tl_snapshot **ret_snapshot, struct tl_err *err);
void tl_snapshot_free(struct tl_snapshot *snapshot);
TL_DEFINE_AUTO_PTR(tl_snapshot, tl_snapshot_free);

/* Compares: an array of changes, sorted by matter and key:
 *   {"matter", "key", "kind", "member"?, "before"?, "after"?, "unit"?, "verdict_before"?, "verdict_after"?,
 *    "direction"?, "count"?, "text"?}
 * kind: "added", "removed", "changed", or "unknown": on one side it was not collected, or not wholly, so that
 * its absence there says nothing. direction: "worse", "better" (verdicts), "upgraded", "downgraded".
 * What moves by itself (counters, processes, small changes of numbers) is among them only with `all`. */
TL_MUST_CHECK int tl_snapshot_compare(const struct tl_snapshot *before,
				      const struct tl_snapshot *after, bool all,
				      json_t **ret_changes, struct tl_err *err);

/* True when there is more than "unknown" in it. */
bool tl_changes_differ(const json_t *changes);
/* For people: what is worse first. Nothing that could steer a terminal. */
void tl_changes_print(const json_t *changes, FILE *out);

/* Negative, 0 or positive as version `a` is before, the same as or after `b` (deb-version(7); does for
 * RPM versions too). */
int tl_version_compare(const char *a, const char *b);

#endif
