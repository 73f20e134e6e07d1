/* Rule files from outside: what is taken can be tried on a text and never needs what its match does not hold, and
 * what is refused leaves nothing behind. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "redact/load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_rule(const struct rule *rule)
{
	static const char text[] = "password=abc key: \"x\" AKIA0123456789ABCDEF";
	pcre2_match_context *limits = pcre2_match_context_create(NULL);
	pcre2_match_data *found = pcre2_match_data_create(32, NULL);
	if (!limits || !found)
		abort();
	pcre2_set_match_limit(limits, 1000);
	if (pcre2_match(rule->code, (PCRE2_SPTR)text, sizeof text - 1, 0, 0, found, limits) >= 0 &&
	    !needs_are_met(&rule->needs, needs_kinds(text, sizeof text - 1)))
		abort();
	pcre2_match_data_free(found);
	pcre2_match_context_free(limits);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	tl_auto(rule_set) struct rule_set set = {.rules = NULL};
	tl_auto(tl_yaml) struct tl_yaml *yaml = NULL;
	struct tl_err err = TL_ERR_INIT;

	if (tl_yaml_parse("f", (const char *)data, size, &yaml, &err) < 0 ||
	    load_rules(&set, yaml, &err) < 0) {
		if (!*tl_err_text(&err))
			abort();
		return 0;
	}
	for (size_t i = 0; i < set.count; i++)
		if (set.rules[i].regex)
			try_rule(&set.rules[i]);
	return 0;
}
