#include "redact/rule.h"

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
