#include "redact/rule.h"

#include <string.h>
#include <towline/buf.h>

#define JOINED_MAX 262144

int expression_compile(const char *expression, pcre2_code **ret_code, struct tl_err *err)
{
	PCRE2_UCHAR text[128];
	PCRE2_SIZE offset;
	int code;
	pcre2_code *compiled =
		pcre2_compile((PCRE2_SPTR)expression, PCRE2_ZERO_TERMINATED,
			      PCRE2_NEVER_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT,
			      &code, &offset, NULL);

	if (!compiled) {
		pcre2_get_error_message(code, text, sizeof text);
		return tl_err_set(err, TL_EINVAL, "%s at position %zu", (char *)text, offset);
	}
	*ret_code = compiled;
	return 0;
}

static void expressions_clear(struct expressions *list)
{
	for (size_t i = 0; i < list->count; i++)
		pcre2_code_free(list->codes[i]);
	free(list->codes);
}

/* May it stand beside others as a branch of one expression? Not where it counts groups, or where its end could
 * take what follows along. */
static bool can_be_branch(const char *expression)
{
	static const char *const flags[] = {"(?:", "(?=",  "(?!",  "(?<=", "(?<!",
					    "(?>", "(?i)", "(?i:", "(?-i:"};

	for (const char *at = expression; *at; at++) {
		bool known = at[0] != '(' || at[1] != '?';

		for (size_t i = 0; !known && i < TL_ARRAY_LEN(flags); i++)
			known = strncmp(at, flags[i], strlen(flags[i])) == 0;
		if (!known || (at[0] == '(' && at[1] == '*') ||
		    (at[0] == '\\' && at[1] && strchr("123456789gkQE", at[1])))
			return false;
		at += at[0] == '\\' && at[1];
	}
	return true;
}

static int add_expression(struct expressions *list, const char *expression)
{
	struct tl_err err;

	return expression_compile(expression, &list->codes[list->count++], &err);
}

int expressions_join(struct expressions *list, const char *const *texts, size_t count)
{
	tl_auto(tl_buf) struct tl_buf joined = TL_BUF_INIT(JOINED_MAX);
	int r = 0;

	expressions_clear(list);
	*list = (struct expressions){.codes = calloc(count + 1, sizeof *list->codes)};
	if (!list->codes)
		return TL_ENOMEM;
	for (size_t i = 0; r == 0 && i < count; i++)
		if (can_be_branch(texts[i]))
			tl_buf_printf(&joined, "%s(?:%s)", joined.len ? "|" : "", texts[i]);
		else
			r = add_expression(list, texts[i]);
	if (r == 0 && tl_buf_check(&joined) == 0 && joined.len > 0)
		r = add_expression(list, tl_buf_str(&joined));
	return r < 0 ? r : tl_buf_check(&joined);
}

void allowlists_ready(const struct allowlists *lists)
{
	for (size_t i = 0; i < lists->count; i++)
		for (size_t k = 0; k < lists->items[i].regexes.count; k++)
			pcre2_jit_compile(lists->items[i].regexes.codes[k], PCRE2_JIT_COMPLETE);
}

void allowlists_clear(struct allowlists *lists)
{
	for (size_t i = 0; i < lists->count; i++) {
		expressions_clear(&lists->items[i].regexes);
		expressions_clear(&lists->items[i].paths);
		tl_strv_clear(&lists->items[i].stopwords);
	}
	free(lists->items);
	*lists = (struct allowlists){.items = NULL};
}

void rule_clear(struct rule *rule)
{
	free(rule->id);
	free(rule->description);
	free(rule->regex);
	free(rule->block_end);
	free(rule->file);
	tl_strv_clear(&rule->keywords);
	tl_strv_clear(&rule->tags);
	allowlists_clear(&rule->allow);
	pcre2_code_free(rule->code);
	pcre2_code_free(rule->path);
	pcre2_code_free(rule->near);
	pcre2_code_free(rule->next);
}
