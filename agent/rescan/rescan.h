/* The second look at a finished bundle: every byte that is about to leave is looked at again, by rules
 * written apart from the redactor's and sharing no code, data or library with it, and for the run's own
 * canaries. A hit means that the redactor failed, and withholds the bundle.
 *
 * Lines are looked at up to TL_RESCAN_LINE_MAX bytes, longer ones in overlapping pieces; memory is bounded. The rules are
 * precise rather than complete: what they know is a secret beyond doubt, so that a bundle is not held back
 * for a word. What the redactor left behind ("[redacted:…]", "[withheld…]") is no hit. One thread at a
 * time. */
#ifndef TOWLINE_RESCAN_RESCAN_H
#define TOWLINE_RESCAN_RESCAN_H

#include <stddef.h>
#include <stdint.h>
#include <towline/attr.h>
#include <towline/buf.h>
#include <towline/err.h>
#include <towline/json.h>

#define TL_RESCAN_LINE_MAX 16384
#define TL_RESCAN_HITS_MAX 64 /* remembered; all are counted */
#define TL_RESCAN_PATH_MAX 256

/* Random secrets of one run, of several kinds. They are planted in a source of their own, which goes the
 * way of all sources; not one byte of their values may come out. */
struct tl_canary;
TL_MUST_CHECK int tl_canary_new(struct tl_canary **ret_canary, struct tl_err *err);
/* The source's text, a few lines. The same with each call. */
void tl_canary_text(const struct tl_canary *canary, struct tl_buf *out);
size_t tl_canary_count(const struct tl_canary *canary);
/* The value that must not come out; at least 16 bytes. Wiped by _free. */
const char *tl_canary_value(const struct tl_canary *canary, size_t index);
void tl_canary_free(struct tl_canary *canary);
TL_DEFINE_AUTO_PTR(tl_canary, tl_canary_free);

struct tl_rescan;
TL_MUST_CHECK int tl_rescan_new(struct tl_rescan **ret_rescan, struct tl_err *err);
/* Copies the values. At most 16 of them in all, else TL_ETOOBIG. Before the first _begin. */
TL_MUST_CHECK int tl_rescan_add_canary(struct tl_rescan *rescan, const struct tl_canary *canary,
				       struct tl_err *err);

/* Begins a member; its name is looked at like a line (line 0). */
void tl_rescan_begin(struct tl_rescan *rescan, const char *path);
void tl_rescan_feed(struct tl_rescan *rescan, const void *bytes, size_t len);
void tl_rescan_end(struct tl_rescan *rescan);

struct tl_rescan_hit {
	char path
		[TL_RESCAN_PATH_MAX]; /* cut, printable; "[member]" where the name itself is the hit */
	uint64_t line;		      /* from 1 */
	const char *kind;	      /* the rule, or "canary"; static storage */
};

/* Hits since _new. The first TL_RESCAN_HITS_MAX are at *ret_hits (borrowed; never the secret itself). */
uint64_t tl_rescan_count(const struct tl_rescan *rescan);
const struct tl_rescan_hit *tl_rescan_hits(const struct tl_rescan *rescan, size_t *ret_count);
/* [{"path", "line", "kind"}] of the hits. The caller owns it; NULL without memory. */
json_t *tl_rescan_report(const struct tl_rescan *rescan);
/* 0, or TL_EDENIED with a sentence that names the first hit and how many more there are. */
TL_MUST_CHECK int tl_rescan_verdict(const struct tl_rescan *rescan, struct tl_err *err);

void tl_rescan_free(struct tl_rescan *rescan);
TL_DEFINE_AUTO_PTR(tl_rescan, tl_rescan_free);

#endif
