/* What of a snapshot the relay has not heard yet. */
#include <math.h>
#include <string.h>
#include <towline/str.h>

#include "health/health.h"

#define STEP 0.02      /* of a number, below which it has not moved */
#define STEP_PERCENT 1 /* of what is in percent */

static const char *member(const json_t *fact, const char *name)
{
	const char *text = json_string_value(json_object_get(fact, name));

	return text ? text : "";
}

static bool is_same_fact(const json_t *a, const json_t *b)
{
	return strcmp(member(a, "name"), member(b, "name")) == 0 &&
	       strcmp(member(a, "subject"), member(b, "subject")) == 0;
}

/* Snapshots have one order: the one looked for is mostly where it was. */
static json_t *find(const json_t *facts, const json_t *wanted, size_t *hint)
{
	size_t count = json_array_size(facts);

	for (size_t i = 0; i < count; i++) {
		json_t *fact = json_array_get(facts, (*hint + i) % count);

		if (is_same_fact(fact, wanted)) {
			*hint = (*hint + i + 1) % count;
			return fact;
		}
	}
	return NULL;
}

static bool number_moved(const json_t *before, const json_t *now, const char *unit)
{
	double a = json_number_value(before), b = json_number_value(now);
	double step = fabs(a) * STEP;

	if (tl_streq(unit, "%") && step < STEP_PERCENT)
		step = STEP_PERCENT;
	return a == 0 || b == 0 ? a != b && fabs(a - b) >= (tl_streq(unit, "%") ? step : 0)
				: fabs(a - b) >= step;
}

static bool changed(const json_t *before, const json_t *now)
{
	const json_t *a = json_object_get(before, "value");
	const json_t *b = json_object_get(now, "value");

	if (!tl_streq(member(before, "verdict"), member(now, "verdict")))
		return true;
	if (json_is_number(a) && json_is_number(b))
		return number_moved(a, b, member(now, "unit"));
	return !json_equal(a, b) || !tl_streq(member(before, "text"), member(now, "text"));
}

static json_t *identity_of(const json_t *fact)
{
	json_t *identity = json_pack("{s:s}", "name", member(fact, "name"));

	if (json_object_get(fact, "subject"))
		json_object_set(identity, "subject", json_object_get(fact, "subject"));
	return identity;
}

static json_t *list_gone(const json_t *before, const json_t *now)
{
	json_t *gone = json_array();
	const json_t *fact;
	size_t i, hint = 0;

	json_array_foreach(before, i, fact)
	{
		if (!find(now, fact, &hint))
			json_array_append_new(gone, identity_of(fact));
	}
	return gone;
}

int tl_health_delta(const json_t *known, const json_t *facts, json_t **ret_delta,
		    json_t **ret_known, struct tl_err *err)
{
	tl_json *told = json_array();
	tl_json *next = json_array();
	json_t *delta;
	json_t *fact;
	size_t i, hint = 0;

	json_array_foreach((json_t *)(uintptr_t)facts, i, fact)
	{
		json_t *earlier = find(known, fact, &hint);
		bool is_news = !earlier || changed(earlier, fact);

		if (is_news)
			json_array_append(told, fact);
		json_array_append(next, is_news ? fact : earlier);
	}
	delta = json_pack("{s:b, s:O, s:o}", "full", known == NULL, "facts", told, "gone",
			  list_gone(known, facts));
	if (!delta)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the health facts");
	*ret_delta = delta;
	*ret_known = tl_steal(&next);
	return 0;
}
