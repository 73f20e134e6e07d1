/* Rule files: YAML to rules. Private to agent/redact. */
#ifndef TOWLINE_REDACT_LOAD_H
#define TOWLINE_REDACT_LOAD_H

#include <towline/yaml.h>

#include "redact/rule.h"

struct rule_set {
	struct rule *rules;
	size_t count;
	struct allowlists allow; /* for every rule */
};
void rule_set_clear(struct rule_set *set);
TL_DEFINE_AUTO(rule_set, rule_set_clear);

/* Adds a document's rules to the set, after taking out those it disables. TL_ECONFIG "file:line: …" for
 * what it may not say, or TL_ENOMEM. */
TL_MUST_CHECK int load_rules(struct rule_set *set, const struct tl_yaml *yaml, struct tl_err *err);

#endif
