#include "desk/health.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <towline/clock.h>
#include <towline/str.h>

#define UNIT_MAX 16
#define KEY_MAX 400 /* a name, a subject */
#define FACTS_BYTES_MAX (1024 * 1024)

struct fact {
	const char *name, *unit, *subject, *verdict, *text;
};

static const struct tl_json_member fact_members[] = {
	{"name", TL_JSON_NAME, true, offsetof(struct fact, name), 0, 64},
	{"unit", TL_JSON_TEXT, true, offsetof(struct fact, unit), 0, UNIT_MAX},
	{"subject", TL_JSON_TEXT, false, offsetof(struct fact, subject), 0, TL_HOST_FACT_TEXT_MAX},
	{"verdict", TL_JSON_NAME, false, offsetof(struct fact, verdict), 0, 16},
	{"text", TL_JSON_TEXT, false, offsetof(struct fact, text), 0, TL_HOST_FACT_TEXT_MAX},
};

static const struct tl_json_member gone_members[] = {
	{"name", TL_JSON_NAME, true, offsetof(struct fact, name), 0, 64},
	{"subject", TL_JSON_TEXT, false, offsetof(struct fact, subject), 0, TL_HOST_FACT_TEXT_MAX},
};

static const struct tl_json_member health_members[] = {
	{"seq", TL_JSON_INT, true, offsetof(struct tl_host_health, seq), 1, INT64_MAX},
	{"full", TL_JSON_BOOL, true, offsetof(struct tl_host_health, full), 0, 0},
	{"facts", TL_JSON_ARRAY, true, offsetof(struct tl_host_health, facts), 0,
	 TL_HOST_FACTS_MAX},
	{"gone", TL_JSON_ARRAY, true, offsetof(struct tl_host_health, gone), 0, TL_HOST_FACTS_MAX},
};

/* From the worst on. */
static const char *const verdicts[] = {"critical", "warning", "unknown", "ok"};

static size_t rank_of(const char *verdict)
{
	size_t rank = 0;

	while (rank < TL_ARRAY_LEN(verdicts) && !tl_streq(verdicts[rank], verdict))
		rank++;
	return rank;
}

static int check_value(const json_t *value, struct tl_err *err)
{
	if (!value || json_is_object(value) || json_is_array(value) ||
	    json_string_length(value) > TL_HOST_FACT_TEXT_MAX)
		return tl_err_set(
			err, TL_EINVAL,
			"member \"value\" is a number, a truth, null or a text of at most "
			"%d bytes",
			TL_HOST_FACT_TEXT_MAX);
	return 0;
}

static int check_fact(const json_t *object, struct tl_err *err)
{
	tl_json *rest = json_is_object(object) ? json_copy((json_t *)(uintptr_t)object) : NULL;
	struct fact fact = {.name = NULL};
	int r = check_value(json_object_get(object, "value"), err);

	/* Whatever its type: the table knows only one. */
	json_object_del(rest, "value");
	if (r == 0)
		r = tl_json_read(rest, fact_members, TL_ARRAY_LEN(fact_members), &fact, err);
	if (r == 0 && fact.verdict && rank_of(fact.verdict) == TL_ARRAY_LEN(verdicts))
		r = tl_err_set(err, TL_EINVAL, "there is no verdict \"%s\"", fact.verdict);
	return r;
}

int tl_host_health_read(const json_t *object, struct tl_host_health *ret_health, struct tl_err *err)
{
	struct tl_host_health health = {.seq = 0};
	struct fact gone = {.name = NULL};
	const json_t *item;
	size_t i;
	int r = tl_json_read(object, health_members, TL_ARRAY_LEN(health_members), &health, err);

	if (r < 0)
		return r;
	json_array_foreach(health.facts, i, item)
	{
		r = check_fact(item, err);
		if (r < 0) {
			tl_err_prefix(err, "fact %zu", i);
			return r;
		}
	}
	json_array_foreach(health.gone, i, item)
	{
		r = tl_json_read(item, gone_members, TL_ARRAY_LEN(gone_members), &gone, err);
		if (r < 0)
			return r;
	}
	*ret_health = health;
	return 0;
}

static const char *member(const json_t *fact, const char *name)
{
	const char *text = json_string_value(json_object_get(fact, name));

	return text ? text : "";
}

/* Of facts by name and subject; a name has no newline, so that no two keys are the same by accident. */
static void key_of(const json_t *fact, char key[static KEY_MAX])
{
	snprintf(key, KEY_MAX, "%s\n%s", member(fact, "name"), member(fact, "subject"));
}

static json_t *by_key(const json_t *facts)
{
	json_t *map = json_object();
	const json_t *fact;
	size_t i;

	json_array_foreach(facts, i, fact)
	{
		char key[KEY_MAX];

		key_of(fact, key);
		json_object_set(map, key, (json_t *)(uintptr_t)fact);
	}
	return map;
}

static json_t *dated(const json_t *fact, const json_t *before, const char *now)
{
	json_t *copy = json_copy((json_t *)(uintptr_t)fact);
	const char *since = json_string_value(json_object_get(before, "since"));

	if (!since || strcmp(member(before, "verdict"), member(fact, "verdict")) != 0)
		since = now;
	if (json_object_get(fact, "verdict"))
		json_object_set_new(copy, "since", json_string(since));
	return copy;
}

static json_t *values_of(const json_t *map)
{
	json_t *list = json_array();
	const char *key;
	json_t *fact;

	json_object_foreach((json_t *)(uintptr_t)map, key, fact)
	{
		json_array_append(list, fact);
	}
	return list;
}

/* A full one says all; else what was known stays unless it is told or gone. */
int tl_host_health_merge(const json_t *known, const struct tl_host_health *told, const char *now,
			 json_t **ret_facts, struct tl_err *err)
{
	tl_json *before = by_key(known);
	tl_json *after = told->full ? json_object() : json_copy(before);
	const json_t *item;
	char key[KEY_MAX];
	size_t i;

	json_array_foreach(told->gone, i, item)
	{
		key_of(item, key);
		json_object_del(after, key);
	}
	json_array_foreach(told->facts, i, item)
	{
		key_of(item, key);
		json_object_set_new(after, key, dated(item, json_object_get(before, key), now));
	}
	if (json_object_size(after) > TL_HOST_FACTS_MAX)
		return tl_err_set(err, TL_ETOOBIG, "a host has at most %d facts",
				  TL_HOST_FACTS_MAX);
	*ret_facts = values_of(after);
	return 0;
}

const char *tl_host_health_worst(const json_t *facts)
{
	size_t worst = rank_of("ok");
	const json_t *fact;
	size_t i;

	json_array_foreach(facts, i, fact)
	{
		size_t rank = rank_of(member(fact, "verdict"));

		worst = rank < worst ? rank : worst;
	}
	return verdicts[worst];
}

struct taking {
	const char *host;
	const struct tl_host_health *told;
	int64_t now_ms;
	bool is_gap;
};

static int load(struct tl_store *store, const char *host, int64_t *ret_seq, json_t **ret_facts,
		struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	int r = tl_store_row(store, "SELECT seq, facts FROM host_health WHERE host_id = $1",
			     TL_ARGS(TL_ARG_TEXT(host)), &row, err);
	const char *text;

	if (r == TL_ENOENT)
		return 0;
	if (r < 0)
		return r;
	text = tl_rows_text(row, 1);
	*ret_seq = tl_rows_int(row, 0);
	return tl_json_parse(text, strlen(text), ret_facts, err);
}

static int save(struct tl_store *store, const struct taking *taking, const json_t *facts,
		struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(FACTS_BYTES_MAX);

	tl_json_write(&text, facts);
	if (tl_buf_check(&text) < 0)
		return tl_err_set(err, TL_ETOOBIG, "the host's facts are too large");
	return tl_store_exec(store,
			     "INSERT INTO host_health (host_id, seq, verdict, facts, updated_ms) "
			     "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (host_id) DO UPDATE SET "
			     "seq = $2, verdict = $3, facts = $4, updated_ms = $5",
			     TL_ARGS(TL_ARG_TEXT(taking->host), TL_ARG_INT(taking->told->seq),
				     TL_ARG_TEXT(tl_host_health_worst(facts)),
				     TL_ARG_TEXT(tl_buf_str(&text)), TL_ARG_INT(taking->now_ms)),
			     NULL, err);
}

static int take(struct tl_store *store, void *arg, struct tl_err *err)
{
	struct taking *taking = arg;
	tl_json *known = NULL;
	tl_json *facts = NULL;
	char now[TL_TIME_TEXT];
	int64_t seq = 0;
	int r = load(store, taking->host, &seq, &known, err);

	if (r < 0)
		return r;
	taking->is_gap = !taking->told->full && (!known || taking->told->seq - 1 != seq);
	if (taking->is_gap)
		return 0;
	tl_time_rfc3339(taking->now_ms, now);
	r = tl_host_health_merge(known, taking->told, now, &facts, err);
	return r < 0 ? r : save(store, taking, facts, err);
}

int tl_host_health_take(struct tl_store *store, const char *host, const struct tl_host_health *told,
			int64_t now_ms, bool *ret_is_gap, struct tl_err *err)
{
	struct taking taking = {.host = host, .told = told, .now_ms = now_ms};
	int r = tl_store_transaction(store, take, &taking, err);

	if (r == 0)
		*ret_is_gap = taking.is_gap;
	return r;
}
