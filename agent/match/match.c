#include "match/match.h"

#include <hs/hs.h>
#include <limits.h>
#include <stdint.h>

#include "match/cache.h"
#include "match/compile.h"

struct tl_match {
	hs_database_t *database;
	hs_scratch_t *scratch;
	size_t size;
	bool cached;
};

struct scan {
	tl_match_hit *hit;
	void *arg;
	int result;
};

/* HS_SUCCESS only for bytes that fit this library and this processor. */
static int adopt(struct tl_match *match, const struct tl_buf *bytes)
{
	if (hs_deserialize_database(bytes->data, bytes->len, &match->database) != HS_SUCCESS)
		return TL_EINTERNAL;
	if (hs_alloc_scratch(match->database, &match->scratch) != HS_SUCCESS) {
		hs_free_database(match->database);
		match->database = NULL;
		return TL_EINTERNAL;
	}
	match->size = bytes->len;
	return 0;
}

static int load(struct tl_match *match, const char *cache_dir, const uint8_t *key)
{
	tl_auto(tl_buf) struct tl_buf bytes = TL_BUF_INIT(TL_MATCH_DATABASE_MAX);
	int r = cache_load(cache_dir, key, &bytes);

	if (r == 0)
		r = adopt(match, &bytes);
	match->cached = r == 0;
	return r;
}

static int make(struct tl_match *match, const struct tl_match_pattern *patterns, size_t count,
		const char *cache_dir, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf bytes = TL_BUF_INIT(TL_MATCH_DATABASE_MAX);
	uint8_t key[TL_SHA256_LEN];
	bool keyed = cache_dir && cache_key(patterns, count, key) == 0;
	int r;

	if (keyed && load(match, cache_dir, key) == 0)
		return 0;
	r = compile_patterns(patterns, count, &bytes, err);
	if (r < 0)
		return r;
	if (adopt(match, &bytes) < 0)
		return tl_err_set(err, TL_EINTERNAL, "compiled expressions cannot be loaded");
	if (keyed)
		cache_store(cache_dir, key, bytes.data, bytes.len);
	return 0;
}

int tl_match_open(const struct tl_match_pattern *patterns, size_t count, const char *cache_dir,
		  struct tl_match **ret_match, struct tl_err *err)
{
	tl_auto(tl_match) struct tl_match *match = calloc(1, sizeof *match);
	int r = 0;

	if (!match)
		return tl_err_set(err, TL_ENOMEM, "out of memory for expressions");
	if (count > TL_MATCH_PATTERNS_MAX)
		return tl_err_set(err, TL_ETOOBIG, "more than %d expressions",
				  TL_MATCH_PATTERNS_MAX);
	if (hs_valid_platform() != HS_SUCCESS)
		return tl_err_set(err, TL_EUNSUPPORTED,
				  "this processor lacks the instructions that Vectorscan needs");
	if (count > 0) /* of nothing nothing is found */
		r = make(match, patterns, count, cache_dir, err);
	if (r == 0)
		*ret_match = tl_steal(&match);
	return r;
}

static int on_match(unsigned id, unsigned long long from TL_UNUSED, unsigned long long to,
		    unsigned flags TL_UNUSED, void *context)
{
	struct scan *scan = context;

	scan->result = scan->hit(scan->arg, id, (size_t)to);
	return scan->result != 0;
}

int tl_match_scan(struct tl_match *match, const void *text, size_t len, tl_match_hit *hit,
		  void *arg)
{
	struct scan scan = {.hit = hit, .arg = arg};
	hs_error_t r;

	if (len > INT_MAX)
		return TL_ETOOBIG;
	if (!match->database)
		return 0;
	r = hs_scan(match->database, text, (unsigned)len, 0, match->scratch, on_match, &scan);
	if (r == HS_SCAN_TERMINATED)
		return scan.result;
	return r == HS_SUCCESS ? 0 : TL_EINTERNAL;
}

bool tl_match_was_cached(const struct tl_match *match)
{
	return match->cached;
}

size_t tl_match_size(const struct tl_match *match)
{
	return match->size;
}

void tl_match_free(struct tl_match *match)
{
	if (!match)
		return;
	hs_free_scratch(match->scratch);
	hs_free_database(match->database);
	free(match);
}

int tl_match_check(const struct tl_match_pattern *pattern, struct tl_err *err)
{
	tl_auto(tl_match) struct tl_match *match = NULL;

	return tl_match_open(pattern, 1, NULL, &match, err);
}
