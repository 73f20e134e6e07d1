/* From what was noticed to findings. */
#include <fnmatch.h>
#include <stdlib.h>
#include <towline/str.h>

#include "analyze/rule.h"

#define EVIDENCE_MAX 10 /* lines and facts shown for a rule */

/* One condition, all members together. */
struct state {
	bool looked, holds;
	uint64_t count; /* of the member that has most */
	json_t *evidence, *facts;
};

struct states {
	struct state *items;
	size_t count;
};

static void states_clear(struct states *states)
{
	for (size_t i = 0; i < states->count; i++) {
		json_decref(states->items[i].evidence);
		json_decref(states->items[i].facts);
	}
	free(states->items);
}
TL_DEFINE_AUTO(states, states_clear);

/* ---- lines ------------------------------------------------------------------------------------- */

/* Enough lines in this member; with "same", enough with one and the same value. The same event stands in
 * several logs: members are not added up. */
static bool has_enough(const struct condition *condition, const json_t *found)
{
	json_t *values = json_object_get(found, "values"), *count;
	const char *value;

	if (!condition->same_number)
		return json_integer_value(json_object_get(found, "count")) >= condition->at_least;
	json_object_foreach(values, value, count)
	{
		(void)value;
		if (json_integer_value(count) >= condition->at_least)
			return true;
	}
	return false;
}

static void add_found(const struct tl_analysis_rules *rules, struct states *states,
		      const json_t *found)
{
	size_t index = (size_t)json_integer_value(json_object_get(found, "condition"));
	uint64_t count = (uint64_t)json_integer_value(json_object_get(found, "count"));
	json_t *evidence = json_object_get(found, "evidence");
	struct state *state;

	if (index >= states->count || !has_enough(&rules->conditions[index], found))
		return;
	state = &states->items[index];
	state->holds = true;
	state->count = count > state->count ? count : state->count;
	if (!state->evidence)
		state->evidence = json_array();
	for (size_t i = 0;
	     i < json_array_size(evidence) && json_array_size(state->evidence) < EVIDENCE_MAX; i++)
		json_array_append(state->evidence, json_array_get(evidence, i));
}

static void add_notice(const struct tl_analysis_rules *rules, struct states *states,
		       const json_t *notice)
{
	const json_t *looked = json_object_get(notice, "looked");
	const json_t *found = json_object_get(notice, "found");

	for (size_t i = 0; i < json_array_size(looked); i++) {
		size_t index = (size_t)json_integer_value(json_array_get(looked, i));

		if (index < states->count)
			states->items[index].looked = true;
	}
	for (size_t i = 0; i < json_array_size(found); i++)
		add_found(rules, states, json_array_get(found, i));
}

/* ---- facts ------------------------------------------------------------------------------------- */

static bool is_value(const json_t *value, const char *text)
{
	if (json_is_boolean(value))
		return tl_streq(text, json_is_true(value) ? "true" : "false");
	return json_is_string(value) && tl_streq(json_string_value(value), text);
}

static bool is_judged(const struct condition *condition, const json_t *fact)
{
	const char *verdict = json_string_value(json_object_get(fact, "verdict"));
	const struct tl_yaml_node *item = condition->verdicts ? condition->verdicts->first : NULL;

	while (item && !tl_streq(item->text, verdict))
		item = item->next;
	return item != NULL;
}

static bool fact_holds(const struct condition *condition, const json_t *fact)
{
	const json_t *value = json_object_get(fact, "value");

	if (json_is_null(value))
		return false;
	if (condition->verdicts && !is_judged(condition, fact))
		return false;
	if (condition->has_above &&
	    !(json_is_number(value) && json_number_value(value) > condition->above))
		return false;
	if (condition->has_below &&
	    !(json_is_number(value) && json_number_value(value) < condition->below))
		return false;
	return !condition->is || is_value(value, condition->is);
}

static bool is_about(const struct condition *condition, const json_t *fact)
{
	const char *name = json_string_value(json_object_get(fact, "name"));
	const char *subject = json_string_value(json_object_get(fact, "subject"));

	return name && fnmatch(condition->name, name, 0) == 0 &&
	       (!condition->subject || (subject && fnmatch(condition->subject, subject, 0) == 0));
}

static void look_at_facts(const struct condition *condition, struct state *state,
			  const json_t *facts)
{
	for (size_t i = 0; i < json_array_size(facts); i++) {
		json_t *fact = json_array_get(facts, i);

		if (!is_about(condition, fact))
			continue;
		state->looked |= !json_is_null(json_object_get(fact, "value"));
		if (!fact_holds(condition, fact))
			continue;
		state->holds = true;
		if (!state->facts)
			state->facts = json_array();
		if (json_array_size(state->facts) < EVIDENCE_MAX)
			json_array_append(state->facts, fact);
	}
}

/* ---- rules ------------------------------------------------------------------------------------- */

static json_t *describe(const struct analysis_rule *rule, const struct state *states)
{
	json_t *result = json_pack("{s:s, s:s, s:s, s:s}", "rule", rule->id, "severity",
				   analysis_severities[rule->severity], "summary", rule->summary,
				   "remedy", rule->remedy);
	json_t *evidence = json_array(), *facts = json_array();
	uint64_t count = 0;

	for (size_t i = 0; i < rule->count; i++) {
		const struct state *state = &states[rule->first + i];

		if (!state->holds)
			continue;
		count += state->count;
		json_array_extend(evidence, state->evidence);
		json_array_extend(facts, state->facts);
	}
	json_object_set_new(result, "count", json_integer((json_int_t)count));
	json_object_set_new(result, "evidence", evidence);
	json_object_set_new(result, "facts", facts);
	return result;
}

/* 1: it fires; 0: it does not; -1: nothing was there to look at. */
static int judge(const struct analysis_rule *rule, const struct state *states)
{
	size_t looked = 0, held = 0;

	for (size_t i = 0; i < rule->count; i++) {
		looked += states[rule->first + i].looked;
		held += states[rule->first + i].holds;
	}
	if (rule->all ? held == rule->count : held > 0)
		return 1;
	return looked > 0 ? 0 : -1;
}

static json_t *find_all(const struct tl_analysis_rules *rules, const struct state *states)
{
	json_t *results = json_array(), *unknown = json_array();
	size_t looked = 0;

	for (int severity = 0; analysis_severities[severity]; severity++) {
		for (size_t i = 0; i < rules->count; i++) {
			const struct analysis_rule *rule = &rules->rules[i];
			int verdict = rule->severity == severity ? judge(rule, states) : 0;

			if (rule->severity != severity)
				continue;
			looked += verdict >= 0;
			if (verdict > 0)
				json_array_append_new(results, describe(rule, states));
			if (verdict < 0)
				json_array_append_new(unknown, json_string(rule->id));
		}
	}
	return json_pack("{s:i, s:I, s:o, s:o}", "schema", TL_ANALYSIS_SCHEMA, "rules",
			 (json_int_t)looked, "results", results, "unknown", unknown);
}

int tl_analysis_conclude(const struct tl_analysis_rules *rules, const json_t *notices,
			 const json_t *health, json_t **ret_results, struct tl_err *err)
{
	tl_auto(states) struct states states = {
		.items = calloc(rules->condition_count + 1, sizeof *states.items),
		.count = rules->condition_count,
	};

	if (!states.items) {
		states.count = 0;
		return tl_err_set(err, TL_ENOMEM, "out of memory for the findings");
	}
	for (size_t i = 0; i < json_array_size(notices); i++)
		add_notice(rules, &states, json_array_get(notices, i));
	for (size_t i = 0; i < states.count; i++) {
		const struct condition *condition = &rules->conditions[i];

		if (condition->kind == CONDITION_FACT)
			look_at_facts(condition, &states.items[i],
				      json_object_get(health, "facts"));
	}
	*ret_results = find_all(rules, states.items);
	return *ret_results ? 0 : tl_err_set(err, TL_ENOMEM, "out of memory for the findings");
}
