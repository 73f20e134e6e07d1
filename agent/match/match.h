/* Many expressions at once over a text, by Vectorscan (the Hyperscan API): says which expression ends
 * where, and nothing else; where a match begins is for others to find.
 *
 * Compiling takes memory and up to a second, so it is done in a process of its own, and what comes out is
 * kept in a directory for the next time. A compiled database is native data, and loading one is like loading
 * a program: it is taken only from a directory and a file that root or the effective user owns and nobody
 * else can write, and only when it was made by this version, by this Vectorscan, for this processor, from
 * these expressions, and is whole. Otherwise it is compiled again and replaced. A cache that fails costs
 * time and nothing else. One thread at a time for each tl_match. */
#ifndef TOWLINE_MATCH_H
#define TOWLINE_MATCH_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <towline/attr.h>
#include <towline/err.h>

#define TL_MATCH_PATTERNS_MAX 16384
#define TL_MATCH_DATABASE_MAX (64u * 1024 * 1024)

enum tl_match_flag {
	TL_MATCH_LITERAL = 1,	/* the expression is a plain text */
	TL_MATCH_CASELESS = 2,	/* as (?i) at its beginning */
	TL_MATCH_MULTILINE = 4, /* ^ and $ stand at each line's ends */
	TL_MATCH_DOTALL = 8,	/* . is a newline, too */
	TL_MATCH_ONCE = 16,	/* one hit in each scan is enough */
	/* What Vectorscan cannot do (lookaround, references) may be left out: more is found than the
	 * expression matches, never less. */
	TL_MATCH_PREFILTER = 32
};

struct tl_match_pattern {
	const char *expression; /* PCRE's syntax as far as Vectorscan goes; bytes, no UTF-8 mode */
	unsigned id;		/* what a hit is reported as; several may share one */
	unsigned flags;		/* enum tl_match_flag */
	/* NULL, or the expression (of the same flags) in its place if Vectorscan refuses it. */
	const char *instead;
};

struct tl_match;
/* Compiles, or loads from `cache_dir` (NULL: no cache; made if missing). TL_EINVAL names the expression that is
 * refused; TL_EUNSUPPORTED where the processor cannot run Vectorscan; TL_ETOOBIG, TL_ENOMEM, TL_EINTERNAL. */
TL_MUST_CHECK int tl_match_open(const struct tl_match_pattern *patterns, size_t count,
				const char *cache_dir, struct tl_match **ret_match,
				struct tl_err *err);

/* `end` is the offset behind the match. Hits come in order of `end`; one expression reports each place
 * where it can end. A result other than 0 ends the scan and is its result. May not scan itself. */
typedef int tl_match_hit(void *arg, unsigned id, size_t end);

/* 0, what `hit` returned, TL_ETOOBIG beyond 2 GiB, or TL_EINTERNAL. */
TL_MUST_CHECK int tl_match_scan(struct tl_match *match, const void *text, size_t len,
				tl_match_hit *hit, void *arg);

/* Whether it came from the cache; bytes of the compiled database. */
bool tl_match_was_cached(const struct tl_match *match);
size_t tl_match_size(const struct tl_match *match);
void tl_match_free(struct tl_match *match);
TL_DEFINE_AUTO_PTR(tl_match, tl_match_free);

/* Where the effective user's databases are kept: /var/cache/towline for root, else below $XDG_CACHE_HOME or
 * ~/.cache. NULL when there is no such place. */
const char *tl_match_cache_dir(char path[static PATH_MAX]);

/* Would tl_match_open take this one? 0, TL_EINVAL with the reason, TL_EUNSUPPORTED. */
TL_MUST_CHECK int tl_match_check(const struct tl_match_pattern *pattern, struct tl_err *err);

#endif
