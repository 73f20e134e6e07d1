#include "health/thresholds.h"

#include <fnmatch.h>
#include <math.h>
#include <stddef.h>
#include <string.h>
#include <towline/embedded.h>
#include <towline/str.h>

extern const struct tl_embedded health_thresholds[];

/* An exception for subjects; the site's come before the built-in ones. */
struct exception {
	struct exception *next;
	const struct tl_health_kind *kind;
	const char *match; /* in a document */
	struct threshold threshold;
	bool built_in;
};

struct thresholds {
	struct tl_yaml *built_in, *site;
	struct threshold *facts; /* as tl_health_kinds */
	struct exception *exceptions;
	const struct tl_yaml_node *certificates, *names;
};

struct document {
	const struct tl_yaml_node *thresholds, *certificates, *names;
};

static const struct tl_yaml_member document_members[] = {
	{"thresholds", TL_YAML_NODE, false, offsetof(struct document, thresholds)},
	{"certificates", TL_YAML_TEXTS, false, offsetof(struct document, certificates), 0, 64},
	{"names", TL_YAML_TEXTS, false, offsetof(struct document, names), 0, 8},
};

/* A threshold as it is written; what is absent stays as the layer below has it. */
struct entry {
	struct threshold threshold;
	const char *match;
	const struct tl_yaml_node *subjects;
};

static const char *const bad_names[] = {"high", "low", NULL};
static const char *const truth_names[] = {"false", "true", NULL};
static const char *const otherwise_names[] = {"warning", "critical", NULL};

#define FIELD(name) offsetof(struct entry, threshold.name)

static const struct tl_yaml_member fact_members[] = {
	{"warning", TL_YAML_NUMBER, false, FIELD(warning)},
	{"critical", TL_YAML_NUMBER, false, FIELD(critical)},
	{"bad", TL_YAML_CHOICE, false, FIELD(bad), 0, 0, bad_names},
	{"expect", TL_YAML_CHOICE, false, FIELD(expect), 0, 0, truth_names},
	{"otherwise", TL_YAML_CHOICE, false, FIELD(otherwise), 0, 0, otherwise_names},
	{"off", TL_YAML_BOOL, false, FIELD(off)},
	{"subjects", TL_YAML_NODE, false, offsetof(struct entry, subjects)},
};

static const struct tl_yaml_member subject_members[] = {
	{"match", TL_YAML_TEXT, true, offsetof(struct entry, match), 0, TL_HEALTH_TEXT_MAX},
	{"warning", TL_YAML_NUMBER, false, FIELD(warning)},
	{"critical", TL_YAML_NUMBER, false, FIELD(critical)},
	{"bad", TL_YAML_CHOICE, false, FIELD(bad), 0, 0, bad_names},
	{"expect", TL_YAML_CHOICE, false, FIELD(expect), 0, 0, truth_names},
	{"otherwise", TL_YAML_CHOICE, false, FIELD(otherwise), 0, 0, otherwise_names},
	{"off", TL_YAML_BOOL, false, FIELD(off)},
};

static bool is_member(const struct tl_yaml_node *node, const char *name)
{
	for (const struct tl_yaml_node *child = node->first; child; child = child->next)
		if (tl_streq(child->key, name))
			return true;
	return false;
}

static int check_entry(const struct tl_yaml *yaml, const struct tl_yaml_node *node,
		       const struct tl_health_kind *kind, const struct entry *entry,
		       struct tl_err *err)
{
	const struct threshold *threshold = &entry->threshold;
	bool is_number = kind->type == TL_HEALTH_NUMBER || kind->type == TL_HEALTH_COUNTER;

	if (!is_number &&
	    (is_member(node, "warning") || is_member(node, "critical") || is_member(node, "bad")))
		return tl_yaml_fail(yaml, node, err,
				    "\"%s\" is no number: it takes expect, otherwise and off",
				    kind->name);
	if (kind->type != TL_HEALTH_TRUTH &&
	    (is_member(node, "expect") || is_member(node, "otherwise")))
		return tl_yaml_fail(yaml, node, err,
				    "\"%s\" is neither true nor false: it takes no expect",
				    kind->name);
	if (threshold->bad == 0 ? threshold->critical < threshold->warning
				: threshold->critical > threshold->warning)
		return tl_yaml_fail(yaml, node, err,
				    "critical (%g) comes before warning (%g), where %s values of "
				    "\"%s\" are the bad ones",
				    threshold->critical, threshold->warning,
				    bad_names[threshold->bad], kind->name);
	return 0;
}

static int add_exception(const struct tl_health_kind *kind, const struct entry *entry,
			 bool built_in, struct exception ***end, struct tl_err *err)
{
	struct exception *exception = calloc(1, sizeof *exception);

	if (!exception)
		return tl_err_set(err, TL_ENOMEM, "out of memory for thresholds");
	exception->kind = kind;
	exception->built_in = built_in;
	exception->match = entry->match;
	exception->threshold = entry->threshold;
	exception->next = **end;
	**end = exception;
	*end = &exception->next;
	return 0;
}

/* `end`: where the next exception goes, before those of the layer below. */
static int read_subjects(struct thresholds *thresholds, const struct tl_yaml *yaml,
			 const struct tl_health_kind *kind, const struct entry *fact,
			 struct exception ***end, struct tl_err *err)
{
	const struct tl_yaml_node *list = fact->subjects;
	int r = 0;

	if (!list)
		return 0;
	if (list->kind != TL_YAML_LIST || list->count > THRESHOLDS_SUBJECTS_MAX)
		return tl_yaml_fail(yaml, list, err,
				    "subjects is a list of at most %d exceptions, each with match",
				    THRESHOLDS_SUBJECTS_MAX);
	for (const struct tl_yaml_node *node = list->first; r == 0 && node; node = node->next) {
		struct entry entry = {.threshold = fact->threshold};

		r = tl_yaml_read(yaml, node, subject_members, TL_ARRAY_LEN(subject_members), &entry,
				 err);
		if (r == 0)
			r = check_entry(yaml, node, kind, &entry, err);
		if (r == 0)
			r = add_exception(kind, &entry, !thresholds->site, end, err);
	}
	return r;
}

static int read_fact(struct thresholds *thresholds, const struct tl_yaml *yaml,
		     const struct tl_yaml_node *node, struct exception ***end, struct tl_err *err)
{
	const struct tl_health_kind *kind = tl_health_kind(node->key);
	struct threshold *threshold = kind ? &thresholds->facts[kind - tl_health_kinds] : NULL;
	struct entry entry = {.match = NULL};
	int r;

	if (!kind)
		return tl_yaml_fail(yaml, node, err,
				    "there is no fact \"%.64s\"; towline-agent health --json shows "
				    "those of this host",
				    node->key);
	entry.threshold = *threshold;
	r = tl_yaml_read(yaml, node, fact_members, TL_ARRAY_LEN(fact_members), &entry, err);
	if (r == 0)
		r = check_entry(yaml, node, kind, &entry, err);
	if (r == 0)
		r = read_subjects(thresholds, yaml, kind, &entry, end, err);
	if (r == 0)
		*threshold = entry.threshold;
	return r;
}

static int read_layer(struct thresholds *thresholds, const struct tl_yaml *yaml, struct tl_err *err)
{
	struct document document = {.thresholds = NULL};
	struct exception **end = &thresholds->exceptions;
	int r = tl_yaml_read(yaml, tl_yaml_root(yaml), document_members,
			     TL_ARRAY_LEN(document_members), &document, err);

	if (r < 0)
		return r;
	if (document.thresholds && document.thresholds->kind != TL_YAML_MAP)
		return tl_yaml_fail(yaml, document.thresholds, err,
				    "thresholds is a mapping of facts");
	for (const struct tl_yaml_node *node = document.thresholds ? document.thresholds->first
								   : NULL;
	     r == 0 && node; node = node->next)
		r = read_fact(thresholds, yaml, node, &end, err);
	thresholds->certificates = document.certificates;
	thresholds->names = document.names;
	return r;
}

static int read_built_in(struct thresholds **ret_thresholds, struct tl_err *err)
{
	tl_auto(thresholds) struct thresholds *thresholds = calloc(1, sizeof *thresholds);
	const struct tl_embedded *file = &health_thresholds[0];
	int r;

	if (thresholds)
		thresholds->facts = calloc(tl_health_kind_count, sizeof *thresholds->facts);
	if (!thresholds || !thresholds->facts)
		return tl_err_set(err, TL_ENOMEM, "out of memory for thresholds");
	for (size_t i = 0; i < tl_health_kind_count; i++)
		thresholds->facts[i] =
			(struct threshold){.warning = NAN, .critical = NAN, .expect = -1};
	r = tl_yaml_parse(file->name, file->start, (size_t)(file->end - file->start),
			  &thresholds->built_in, err);
	if (r == 0)
		r = read_layer(thresholds, thresholds->built_in, err);
	if (r == 0)
		*ret_thresholds = tl_steal(&thresholds);
	return r;
}

int thresholds_open(const char *path, struct thresholds **ret_thresholds, struct tl_err *err)
{
	tl_auto(thresholds) struct thresholds *thresholds = NULL;
	int r = read_built_in(&thresholds, err);

	if (r == 0 && path)
		r = tl_yaml_load(path, &thresholds->site, err);
	if (r == 0 && thresholds->site)
		r = read_layer(thresholds, thresholds->site, err);
	if (r == 0)
		*ret_thresholds = tl_steal(&thresholds);
	return r;
}

int thresholds_parse(const char *name, const char *text, size_t len,
		     struct thresholds **ret_thresholds, struct tl_err *err)
{
	tl_auto(thresholds) struct thresholds *thresholds = NULL;
	int r = read_built_in(&thresholds, err);

	if (r == 0)
		r = tl_yaml_parse(name, text, len, &thresholds->site, err);
	if (r == 0)
		r = read_layer(thresholds, thresholds->site, err);
	if (r == 0)
		*ret_thresholds = tl_steal(&thresholds);
	return r;
}

void thresholds_free(struct thresholds *thresholds)
{
	if (!thresholds)
		return;
	while (thresholds->exceptions) {
		struct exception *exception = thresholds->exceptions;

		thresholds->exceptions = exception->next;
		free(exception);
	}
	free(thresholds->facts);
	tl_yaml_free(thresholds->built_in);
	tl_yaml_free(thresholds->site);
	free(thresholds);
}

struct threshold thresholds_for(const struct thresholds *thresholds,
				const struct tl_health_kind *kind, const char *subject)
{
	const struct threshold *fact = &thresholds->facts[kind - tl_health_kinds];
	const struct exception *exception = thresholds->exceptions;
	struct threshold threshold;

	while (exception &&
	       (!subject || exception->kind != kind || fnmatch(exception->match, subject, 0) != 0))
		exception = exception->next;
	threshold = exception ? exception->threshold : *fact;
	if (exception && exception->built_in)
		threshold.off = fact->off;
	return threshold;
}

enum tl_health_verdict threshold_judge_number(const struct threshold *threshold, double value)
{
	double sign = threshold->bad ? -1 : 1;

	if (isnan(threshold->warning) && isnan(threshold->critical))
		return TL_HEALTH_NONE;
	if (value * sign >= threshold->critical * sign)
		return TL_HEALTH_CRITICAL;
	return value * sign >= threshold->warning * sign ? TL_HEALTH_WARNING : TL_HEALTH_OK;
}

enum tl_health_verdict threshold_judge_truth(const struct threshold *threshold, bool value)
{
	if (threshold->expect < 0)
		return TL_HEALTH_NONE;
	if (value == (threshold->expect == 1))
		return TL_HEALTH_OK;
	return threshold->otherwise ? TL_HEALTH_CRITICAL : TL_HEALTH_WARNING;
}

const struct tl_yaml_node *thresholds_certificates(const struct thresholds *thresholds)
{
	return thresholds->certificates;
}

const struct tl_yaml_node *thresholds_names(const struct thresholds *thresholds)
{
	return thresholds->names;
}
