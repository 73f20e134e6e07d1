#include "health/run.h"

#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <towline/unit.h>

bool health_wanted(const struct health_run *run, const char *name)
{
	return !run->options->only || fnmatch(run->options->only, name, 0) == 0;
}

double health_percent(double part, double whole)
{
	return whole > 0 ? round(part * 10000 / whole) / 100 : 0;
}

/* Text from the host as a JSON string: printable, cut at a character's beginning. */
static json_t *bounded(const char *text)
{
	tl_auto(tl_buf) struct tl_buf printable = TL_BUF_INIT(8 * TL_HEALTH_TEXT_MAX);
	char cut[TL_HEALTH_TEXT_MAX + 1];
	size_t len;

	tl_str_printable(&printable, text, strnlen(text, TL_HEALTH_TEXT_MAX));
	snprintf(cut, sizeof cut, "%s", tl_buf_str(&printable));
	for (len = strlen(cut); len > 0 && !tl_str_is_utf8(cut, len); len--)
		cut[len - 1] = '\0';
	return json_string(cut);
}

static json_t *number_json(double value)
{
	if (!isfinite(value))
		return json_null();
	if (value == floor(value) && fabs(value) < 9e15)
		return json_integer((json_int_t)value);
	return json_real(round(value * 10000) / 10000);
}

static void describe(const struct tl_health_kind *kind, const struct threshold *threshold,
		     enum tl_health_verdict verdict, double value, char text[static 256])
{
	double limit = verdict == TL_HEALTH_CRITICAL ? threshold->critical : threshold->warning;
	char is[TL_UNIT_TEXT], from[TL_UNIT_TEXT];

	tl_unit_text(kind->unit, value, is);
	tl_unit_text(kind->unit, limit, from);
	snprintf(text, 256, "%s: %s, %s from %s on", kind->label, is,
		 tl_health_verdict_name(verdict), from);
}

static void add(struct health_run *run, const struct tl_health_kind *kind, const char *subject,
		json_t *value, enum tl_health_verdict verdict)
{
	json_t *fact = json_object();

	json_object_set_new(fact, "name", json_string(kind->name));
	json_object_set_new(fact, "unit", json_string(kind->unit));
	json_object_set_new(fact, "value", value);
	if (subject)
		json_object_set_new(fact, "subject", bounded(subject));
	if (verdict)
		json_object_set_new(fact, "verdict", json_string(tl_health_verdict_name(verdict)));
	json_array_append_new(run->facts, fact);
}

static void add_text(struct health_run *run, const char *text)
{
	if (text && text[0])
		json_object_set_new(json_array_get(run->facts, json_array_size(run->facts) - 1),
				    "text", bounded(text));
}

/* NULL: nothing is to be told of this fact and subject. */
static const struct tl_health_kind *asked(const struct health_run *run, const char *name,
					  const char *subject, struct threshold *ret_threshold)
{
	const struct tl_health_kind *kind = tl_health_kind(name);

	if (!kind || !health_wanted(run, name))
		return NULL;
	*ret_threshold = thresholds_for(run->thresholds, kind, subject);
	return ret_threshold->off ? NULL : kind;
}

void health_number(struct health_run *run, const char *name, const char *subject, double value,
		   const char *text)
{
	struct threshold threshold;
	const struct tl_health_kind *kind = asked(run, name, subject, &threshold);
	enum tl_health_verdict verdict;
	char made[256];

	if (!kind || !isfinite(value))
		return;
	verdict = threshold_judge_number(&threshold, value);
	if (!text && verdict > TL_HEALTH_OK) {
		describe(kind, &threshold, verdict, value, made);
		text = made;
	}
	add(run, kind, subject, number_json(value), verdict);
	add_text(run, text);
}

void health_unjudged(struct health_run *run, const char *name, const char *subject, double value,
		     const char *text)
{
	struct threshold threshold;
	const struct tl_health_kind *kind = asked(run, name, subject, &threshold);

	if (!kind)
		return;
	add(run, kind, subject, number_json(value), TL_HEALTH_NONE);
	add_text(run, text);
}

void health_truth(struct health_run *run, const char *name, const char *subject, bool value,
		  const char *text)
{
	struct threshold threshold;
	const struct tl_health_kind *kind = asked(run, name, subject, &threshold);
	enum tl_health_verdict verdict;
	char made[256];

	if (!kind)
		return;
	verdict = threshold_judge_truth(&threshold, value);
	if (!text && verdict > TL_HEALTH_OK) {
		snprintf(made, sizeof made, "%s: %s", kind->label, value ? "yes" : "no");
		text = made;
	}
	add(run, kind, subject, json_boolean(value), verdict);
	add_text(run, text);
}

void health_word(struct health_run *run, const char *name, const char *value)
{
	struct threshold threshold;
	const struct tl_health_kind *kind = asked(run, name, NULL, &threshold);

	if (kind)
		add(run, kind, NULL, bounded(value), TL_HEALTH_NONE);
}

void health_unknown(struct health_run *run, const char *name, const char *subject, const char *text)
{
	struct threshold threshold;
	const struct tl_health_kind *kind = asked(run, name, subject, &threshold);

	if (!kind)
		return;
	add(run, kind, subject, json_null(), TL_HEALTH_UNKNOWN);
	add_text(run, text);
}

const json_t *health_earlier(const struct health_run *run, const char *name, const char *subject)
{
	const json_t *facts = json_object_get(run->options->previous, "facts");
	const json_t *fact;
	size_t i;

	json_array_foreach(facts, i, fact)
	{
		const char *own = json_string_value(json_object_get(fact, "subject"));

		if (tl_streq(json_string_value(json_object_get(fact, "name")), name) &&
		    ((!own && !subject) || tl_streq(own, subject)))
			return fact;
	}
	return NULL;
}

void health_counter(struct health_run *run, const char *name, const char *rate, const char *subject,
		    double value)
{
	const json_t *before = json_object_get(health_earlier(run, name, subject), "value");

	health_number(run, name, subject, value, NULL);
	/* A counter that went back has begun anew: a reboot, a module. */
	if (json_is_number(before) && run->elapsed_s > 0 && value >= json_number_value(before))
		health_number(run, rate, subject,
			      (value - json_number_value(before)) / run->elapsed_s, NULL);
}
