#include "redact/judge.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

double judge_entropy(const char *bytes, size_t len)
{
	size_t counts[256] = {0};
	double bits = 0;

	for (size_t i = 0; i < len; i++)
		counts[(unsigned char)bytes[i]]++;
	for (size_t i = 0; i < TL_ARRAY_LEN(counts); i++) {
		double share = (double)counts[i] / (double)len;

		if (counts[i])
			bits -= share * log2(share);
	}
	return bits;
}

static bool matches(const pcre2_code *code, const char *text, size_t len, pcre2_match_data *data)
{
	return pcre2_match(code, (PCRE2_SPTR)text, len, 0, 0, data, NULL) >= 0;
}

bool judge_path(const pcre2_code *code, const char *path, pcre2_match_data *data)
{
	return path && matches(code, path, strlen(path), data);
}

static bool any_matches(const struct expressions *list, const char *text, size_t len,
			pcre2_match_data *data)
{
	for (size_t i = 0; i < list->count; i++)
		if (matches(list->codes[i], text, len, data))
			return true;
	return false;
}

static unsigned char lower(char c)
{
	unsigned char byte = (unsigned char)c;

	return byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte;
}

static bool contains(const char *text, size_t len, const char *word)
{
	size_t word_len = strlen(word);

	for (size_t at = 0; at + word_len <= len; at++) {
		size_t same = 0;

		while (same < word_len && lower(text[at + same]) == lower(word[same]))
			same++;
		if (same == word_len)
			return true;
	}
	return false;
}

static bool has_stopword(const struct tl_strv *words, const char *text, size_t len)
{
	for (size_t i = 0; i < words->count; i++)
		if (contains(text, len, words->items[i]))
			return true;
	return false;
}

/* The line, as far as it is near the match. */
static void near_by(const struct find *find, size_t *ret_from, size_t *ret_to)
{
	*ret_from = find->match_start > JUDGE_NEAR ? find->match_start - JUDGE_NEAR : 0;
	*ret_to = find->line_len - find->match_end > JUDGE_NEAR ? find->match_end + JUDGE_NEAR
								: find->line_len;
}

static bool regexes_fit(const struct allowlist *list, const struct find *find,
			pcre2_match_data *data)
{
	size_t from, to;

	near_by(find, &from, &to);
	if (list->target == ALLOW_SECRET) {
		from = find->start;
		to = find->end;
	} else if (list->target == ALLOW_MATCH) {
		from = find->match_start;
		to = find->match_end;
	}
	return any_matches(&list->regexes, find->line + from, to - from, data);
}

static bool paths_fit(const struct allowlist *list, const char *path, pcre2_match_data *data)
{
	return path && any_matches(&list->paths, path, strlen(path), data);
}

static bool list_allows(const struct allowlist *list, const struct find *find,
			pcre2_match_data *data)
{
	bool stopword =
		has_stopword(&list->stopwords, find->line + find->start, find->end - find->start);

	if (list->all)
		return (!list->stopwords.count || stopword) &&
		       (!list->paths.count || paths_fit(list, find->path, data)) &&
		       (!list->regexes.count || regexes_fit(list, find, data));
	return stopword || paths_fit(list, find->path, data) || regexes_fit(list, find, data);
}

static bool lists_allow(const struct allowlists *lists, const struct find *find,
			pcre2_match_data *data)
{
	for (size_t i = 0; i < lists->count; i++)
		if (list_allows(&lists->items[i], find, data))
			return true;
	return false;
}

/* Most keywords stand in the match itself. */
static bool keyword_is_near(const struct rule *rule, const struct find *find,
			    pcre2_match_data *data)
{
	size_t from = find->match_start > JUDGE_NEAR ? find->match_start - JUDGE_NEAR : 0;
	size_t to = find->line_len - find->match_end > JUDGE_NEAR ? find->match_end + JUDGE_NEAR
								  : find->line_len;

	return !rule->near || find->keyed ||
	       matches(rule->near, find->line + find->match_start,
		       find->match_end - find->match_start, data) ||
	       matches(rule->near, find->line + from, to - from, data);
}

bool judge_is_allowed(const struct rule *rule, const struct allowlists *common,
		      const struct find *find, pcre2_match_data *data)
{
	return lists_allow(&rule->allow, find, data) || lists_allow(common, find, data);
}

bool judge_is_secret(const struct rule *rule, const struct allowlists *common,
		     const struct find *find, pcre2_match_data *data)
{
	size_t len = find->end - find->start;

	if (len == 0 || !keyword_is_near(rule, find, data))
		return false;
	if (rule->entropy > 0 && judge_entropy(find->line + find->start, len) <= rule->entropy)
		return false;
	return !judge_is_allowed(rule, common, find, data);
}
