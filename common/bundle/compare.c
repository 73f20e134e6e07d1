/* Two snapshots, value by value. Part of towline/bundle_diff.h. */
#include "snapshot.h"

#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <towline/str.h>

#define FACTS "health" /* the matter whose items are measured and judged */
#define CHANGES_MAX 100000
#define PERCENT_POINTS 5.0 /* a share moves by itself that much */
#define PART 0.1	   /* another number by a tenth */

/* What is another with every look: told only when everything is asked for. Globs. */
static const char *const restless_matters[] = {
	"*-activity",
	"activity",
	"blocked",
	"cgroups",
	"deleted-files",
	"fsync",
	"kernel-log",
	"open-files",
	"process-*",
	"processes",
	"time",
	"values/block-queues",
	"values/container-limits",
	"values/interrupt-*",
};
static const char *const restless_keys[] = {
	"*[._]stat",
	"*_blocks",
	"*_pressure_*",
	"*_write_kbytes",
	"*/spurious",
	"*/statistics/[rt]x_[bp]*",
	"*usage*",
	"fs.dentry-state",
	"fs.file-nr",
	"fs.inode-*",
	"kernel.ns_last_pid",
	"kernel.pty.nr",
	"kernel.random.*",
	"net.netfilter.nf_conntrack_count",
	"taken",
	"time",
	"uptime*",
};
static const char *const restless_members[] = {"*_available", "active_since",  "age_s", "days_left",
					       "main_pid",    "memory_bytes",  "ms",	"pid",
					       "[rt]x_bytes", "[rt]x_packets", "tasks", "text",
					       "used",	      "users"};

static const char *const verdicts[] = {"ok", "warning", "critical"}; /* "unknown" is none of them */

struct comparison {
	const struct tl_snapshot *before, *after;
	bool all;
	json_t *changes;
	const char *matter;
	bool before_partial, after_partial;
};

static bool is_among(const char *text, const char *const *globs, size_t count)
{
	for (size_t i = 0; text && i < count; i++)
		if (fnmatch(globs[i], text, 0) == 0)
			return true;
	return false;
}

static bool is_restless(const struct comparison *c, const char *key)
{
	return !c->all && is_among(key, restless_keys, TL_ARRAY_LEN(restless_keys));
}

static void add(struct comparison *c, const char *key, const char *kind, json_t *more)
{
	tl_json *owned = more;
	json_t *change =
		json_pack("{s:s, s:s, s:s}", "matter", c->matter, "key", key, "kind", kind);

	json_object_update(change, owned);
	if (json_array_size(c->changes) < CHANGES_MAX)
		json_array_append_new(c->changes, change);
	else
		json_decref(change);
}

static int verdict_rank(const char *verdict)
{
	for (size_t i = 0; verdict && i < TL_ARRAY_LEN(verdicts); i++)
		if (tl_streq(verdict, verdicts[i]))
			return (int)i;
	return -1;
}

static const char *text_of(const json_t *object, const char *member)
{
	return json_string_value(json_object_get(object, member));
}

/* Numbers that moved a little did not change. */
static bool is_small(const struct comparison *c, const json_t *before, const json_t *after,
		     const char *unit)
{
	double a = json_number_value(before), b = json_number_value(after);
	double larger = fabs(a) > fabs(b) ? fabs(a) : fabs(b);

	if (c->all || !json_is_number(before) || !json_is_number(after))
		return false;
	if (tl_streq(unit, "%"))
		return fabs(a - b) < PERCENT_POINTS;
	if (!unit) /* no measure, but a setting or a count of things */
		return false;
	return fabs(a - b) <= larger * PART;
}

/* ---- facts: measured, judged ------------------------------------------------------------------ */

/* A fact that could not be had says nothing; it is not better than it was. */
static bool is_known(const json_t *fact)
{
	const json_t *value = json_object_get(fact, "value");

	return value && !json_is_null(value) && !tl_streq(text_of(fact, "verdict"), "unknown");
}

static void compare_fact(struct comparison *c, const char *key, const json_t *a, const json_t *b)
{
	json_t *from = json_object_get(a, "value"), *to = json_object_get(b, "value");
	const char *was = text_of(a, "verdict"), *is = text_of(b, "verdict");
	const char *unit = text_of(b, "unit"), *direction = NULL;
	int before = verdict_rank(was), after = verdict_rank(is);

	if (!is_known(a) || !is_known(b)) {
		if (is_known(a) != is_known(b) || c->all)
			add(c, key, "unknown",
			    json_pack("{s:O*, s:O*, s:s*, s:s*}", "before", from, "after", to,
				      "verdict_before", was, "verdict_after", is));
		return;
	}
	if (before >= 0 && after >= 0 && before != after)
		direction = after > before ? "worse" : "better";
	if (!direction &&
	    (json_equal(from, to) || is_small(c, from, to, unit) || is_restless(c, key)))
		return;
	add(c, key, "changed",
	    json_pack("{s:O*, s:O*, s:s*, s:s*, s:s*, s:s*}", "before", from, "after", to, "unit",
		      unit, "verdict_before", was, "verdict_after", is, "direction", direction));
}

/* ---- anything else ---------------------------------------------------------------------------- */

static const char *version_direction(const char *member, const json_t *before, const json_t *after)
{
	if (!tl_streq(member, "version") || !json_is_string(before) || !json_is_string(after))
		return NULL;
	return tl_version_compare(json_string_value(before), json_string_value(after)) < 0
		       ? "upgraded"
		       : "downgraded";
}

static void compare_member(struct comparison *c, const char *key, const char *member,
			   json_t *before, json_t *after)
{
	if (json_equal(before, after) ||
	    (!c->all && is_among(member, restless_members, TL_ARRAY_LEN(restless_members))))
		return;
	add(c, key, "changed",
	    json_pack("{s:s*, s:O*, s:O*, s:s*}", "member", member, "before", before, "after",
		      after, "direction", version_direction(member, before, after)));
}

static void compare_object(struct comparison *c, const char *key, json_t *a, json_t *b)
{
	const char *member;
	json_t *value;

	json_object_foreach(a, member, value)
	{
		compare_member(c, key, member, value, json_object_get(b, member));
	}
	json_object_foreach(b, member, value)
	{
		if (!json_object_get(a, member))
			compare_member(c, key, member, NULL, value);
	}
}

static void compare_value(struct comparison *c, const char *key, json_t *a, json_t *b)
{
	if (tl_streq(c->matter, FACTS) && json_is_object(a) && json_is_object(b))
		compare_fact(c, key, a, b);
	else if (is_restless(c, key))
		return;
	else if (json_is_object(a) && json_is_object(b))
		compare_object(c, key, a, b);
	else
		compare_member(c, key, NULL, a, b);
}

/* What one side lacks is gone, or new, only where that side looked. Of facts, one without a subject is always
 * there where it can be had. */
static void lack(struct comparison *c, const char *key, json_t *value, bool is_after)
{
	bool partial = is_after ? c->after_partial : c->before_partial;
	bool is_fact = tl_streq(c->matter, FACTS) && json_is_object(value);
	const char *side = is_after ? "before" : "after";
	const char *version = text_of(value, "version");
	json_t *more = json_object();

	if (is_restless(c, key)) {
		json_decref(more);
		return;
	}
	if (is_fact && !json_object_get(value, "subject"))
		partial = true;
	if (version)
		json_object_set_new(more, side, json_string(version));
	else if (!json_is_object(value) || is_fact)
		json_object_set(more, side, is_fact ? json_object_get(value, "value") : value);
	if (is_fact && text_of(value, "verdict"))
		json_object_set(more, is_after ? "verdict_before" : "verdict_after",
				json_object_get(value, "verdict"));
	add(c, key, partial ? "unknown" : is_after ? "removed" : "added", more);
}

static void compare_matter(struct comparison *c, json_t *before, json_t *after)
{
	const char *key;
	json_t *value;

	json_object_foreach(before, key, value)
	{
		json_t *other = json_object_get(after, key);

		if (other)
			compare_value(c, key, value, other);
		else
			lack(c, key, value, true);
	}
	json_object_foreach(after, key, value)
	{
		if (!json_object_get(before, key))
			lack(c, key, value, false);
	}
}

/* ---- matters ---------------------------------------------------------------------------------- */

/* One side has none of it at all, and nobody looked: one line instead of one for each. */
static void tell_unseen(struct comparison *c, size_t count, bool is_after)
{
	add(c, "", "unknown",
	    json_pack("{s:I, s:s}", "count", (json_int_t)count, "text",
		      is_after ? "not collected in the second" : "not collected in the first"));
}

static void compare_matters(struct comparison *c, const char *matter)
{
	json_t *before = json_object_get(c->before->matters, matter);
	json_t *after = json_object_get(c->after->matters, matter);
	const char *owner_before = json_string_value(json_object_get(c->before->owners, matter));
	const char *owner_after = json_string_value(json_object_get(c->after->owners, matter));

	if (!c->all && is_among(matter, restless_matters, TL_ARRAY_LEN(restless_matters)))
		return;
	c->matter = matter;
	c->before_partial = snapshot_is_partial(c->before, matter, owner_after);
	c->after_partial = snapshot_is_partial(c->after, matter, owner_before);
	if (!after && c->after_partial)
		tell_unseen(c, json_object_size(before), true);
	else if (!before && c->before_partial)
		tell_unseen(c, json_object_size(after), false);
	else
		compare_matter(c, before, after);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static json_t *all_matters(const struct comparison *c)
{
	json_t *names = json_object();

	json_object_update(names, c->before->matters);
	json_object_update(names, c->after->matters);
	return names;
}

static int compare_all(struct comparison *c, struct tl_err *err)
{
	tl_json *names = all_matters(c);
	size_t count = json_object_size(names), i = 0;
	tl_free const char **sorted = calloc(count + 1, sizeof *sorted);
	const char *name;
	json_t *ignored;

	if (!sorted)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the comparison");
	json_object_foreach(names, name, ignored)
	{
		sorted[i++] = name;
	}
	qsort(sorted, count, sizeof *sorted, by_name);
	for (i = 0; i < count; i++)
		compare_matters(c, sorted[i]);
	return 0;
}

int tl_snapshot_compare(const struct tl_snapshot *before, const struct tl_snapshot *after, bool all,
			json_t **ret_changes, struct tl_err *err)
{
	tl_json *changes = json_array();
	struct comparison c = {.before = before, .after = after, .all = all, .changes = changes};
	int r;

	if (!changes)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the comparison");
	r = compare_all(&c, err);
	if (r == 0)
		*ret_changes = tl_steal(&changes);
	return r;
}

bool tl_changes_differ(const json_t *changes)
{
	for (size_t i = 0; i < json_array_size(changes); i++)
		if (!tl_streq(text_of(json_array_get(changes, i), "kind"), "unknown"))
			return true;
	return false;
}
