#include "rig.h"

#include <stdio.h>
#include <string.h>

#include "desk/health.h"

#define BEAT(health) "{\"agent_version\":\"1\",\"uptime_s\":5,\"health\":" health "}"
#define HEALTH(seq, full, facts, gone) \
	BEAT("{\"seq\":" seq ",\"full\":" full ",\"facts\":[" facts "],\"gone\":[" gone "]}")
#define FACT(name, value, rest) "{\"name\":\"" name "\",\"unit\":\"1\",\"value\":" value rest "}"
#define OK ",\"verdict\":\"ok\""
#define BAD ",\"verdict\":\"critical\""

static void beat(struct rig *rig, const struct host *host, const char *json,
		 struct reply *ret_reply)
{
	rig_ask(rig,
		&(struct ask){.method = "POST",
			      .path = "/v1/agent/heartbeat",
			      .token = host->token,
			      .json = json},
		ret_reply);
}

/* The heartbeat is answered so, and that is all. */
static void assert_beat(struct rig *rig, const struct host *host, const char *json, long status)
{
	tl_auto(reply) struct reply reply;

	beat(rig, host, json, &reply);
	assert_status(&reply, status);
	if (status == 200)
		assert_string_equal(reply_text(&reply, "health"), "full");
}

/* What an engineer reads of the host. */
static void look(struct rig *rig, const char *path, struct reply *ret_reply)
{
	static char token[TL_TOKEN_TEXT_MAX];
	static const struct rig *known;

	if (known != rig || !token[0])
		rig_person(rig, "erin", "engineer", token);
	known = rig;
	rig_ask(rig, &(struct ask){.method = "GET", .path = path, .token = token}, ret_reply);
}

static const json_t *fact_of(const struct reply *reply, const char *name)
{
	const json_t *fact;
	size_t i;

	json_array_foreach(json_object_get(reply->json, "facts"), i, fact)
	{
		if (strcmp(json_string_value(json_object_get(fact, "name")), name) == 0)
			return fact;
	}
	return NULL;
}

static void facts_and_the_worst_verdict_are_shown(void **state)
{
	struct rig *rig = *state;
	tl_auto(host) struct host host;
	tl_auto(reply) struct reply health, hosts;

	rig_host(rig, "web", &host);
	assert_beat(rig, &host,
		    HEALTH("7", "true",
			   FACT("a", "1", OK) "," FACT("b", "true", BAD) "," FACT("c", "\"x\"", ""),
			   ""),
		    204);
	look(rig, "/v1/hosts/web/health", &health);
	assert_status(&health, 200);
	assert_string_equal(reply_text(&health, "verdict"), "critical");
	assert_int_equal(json_array_size(json_object_get(health.json, "facts")), 3);
	assert_non_null(json_object_get(fact_of(&health, "a"), "since"));
	assert_null(json_object_get(fact_of(&health, "c"), "since"));
	look(rig, "/v1/hosts", &hosts);
	assert_string_equal(json_string_value(json_object_get(
				    json_array_get(json_object_get(hosts.json, "items"), 0),
				    "health")),
			    "critical");
}

static void the_largest_number_is_followed_by_none(void **state)
{
	struct rig *rig = *state;
	tl_auto(host) struct host host;

	rig_host(rig, "web", &host);
	assert_beat(rig, &host, HEALTH("9223372036854775807", "true", FACT("a", "1", OK), ""), 204);
	assert_beat(rig, &host, HEALTH("1", "false", FACT("a", "2", OK), ""), 200);
}

static void a_host_that_never_told_has_no_verdict(void **state)
{
	struct rig *rig = *state;
	tl_auto(host) struct host host;
	tl_auto(reply) struct reply health, missing;

	rig_host(rig, "web", &host);
	assert_beat(rig, &host, "{\"agent_version\":\"1\",\"uptime_s\":5}", 204);
	look(rig, "/v1/hosts/web/health", &health);
	assert_status(&health, 200);
	assert_true(json_is_null(json_object_get(health.json, "verdict")));
	assert_int_equal(json_array_size(json_object_get(health.json, "facts")), 0);
	look(rig, "/v1/hosts/nobody/health", &missing);
	assert_status(&missing, 404);
}

static void a_host_may_not_read_what_others_told(void **state)
{
	struct rig *rig = *state;
	tl_auto(host) struct host host;
	tl_auto(reply) struct reply reply;

	rig_host(rig, "web", &host);
	rig_ask(rig,
		&(struct ask){.method = "GET", .path = "/v1/hosts/web/health", .token = host.token},
		&reply);
	assert_status(&reply, 403);
}

static void changes_are_put_over_what_was_told(void **state)
{
	struct rig *rig = *state;
	tl_auto(host) struct host host;
	tl_auto(reply) struct reply health;

	rig_host(rig, "web", &host);
	assert_beat(rig, &host,
		    HEALTH("1", "true",
			   FACT("a", "1", BAD) "," FACT("b", "2", OK) "," FACT("c", "3", OK), ""),
		    204);
	assert_beat(rig, &host, HEALTH("2", "false", FACT("a", "9", OK), "{\"name\":\"c\"}"), 204);
	look(rig, "/v1/hosts/web/health", &health);
	assert_string_equal(reply_text(&health, "verdict"), "ok");
	assert_int_equal(json_array_size(json_object_get(health.json, "facts")), 2);
	assert_int_equal(json_integer_value(json_object_get(fact_of(&health, "a"), "value")), 9);
	assert_int_equal(json_integer_value(json_object_get(fact_of(&health, "b"), "value")), 2);
}

static void changes_without_what_came_before_are_not_taken(void **state)
{
	struct rig *rig = *state;
	tl_auto(host) struct host host;
	tl_auto(reply) struct reply health;

	rig_host(rig, "web", &host);
	assert_beat(rig, &host, HEALTH("1", "false", FACT("a", "1", OK), ""), 200);
	assert_beat(rig, &host, HEALTH("5", "true", FACT("a", "1", OK), ""), 204);
	assert_beat(rig, &host, HEALTH("7", "false", FACT("a", "2", BAD), ""), 200);
	assert_beat(rig, &host, HEALTH("5", "false", FACT("a", "2", BAD), ""), 200);
	look(rig, "/v1/hosts/web/health", &health);
	assert_string_equal(reply_text(&health, "verdict"), "ok");
	assert_beat(rig, &host, HEALTH("6", "false", FACT("a", "2", BAD), ""), 204);
}

static void a_verdict_keeps_its_beginning(void **state)
{
	struct rig *rig = *state;
	tl_auto(host) struct host host;
	tl_auto(reply) struct reply first, later, worse;
	const char *since;

	rig_host(rig, "web", &host);
	assert_beat(rig, &host, HEALTH("1", "true", FACT("a", "1", OK), ""), 204);
	look(rig, "/v1/hosts/web/health", &first);
	since = json_string_value(json_object_get(fact_of(&first, "a"), "since"));
	tl_clock_fake_advance(&rig->clock, 60000);
	assert_beat(rig, &host, HEALTH("1", "true", FACT("a", "2", OK), ""), 204);
	look(rig, "/v1/hosts/web/health", &later);
	assert_string_equal(json_string_value(json_object_get(fact_of(&later, "a"), "since")),
			    since);
	assert_beat(rig, &host, HEALTH("2", "false", FACT("a", "3", BAD), ""), 204);
	look(rig, "/v1/hosts/web/health", &worse);
	assert_string_not_equal(json_string_value(json_object_get(fact_of(&worse, "a"), "since")),
				since);
}

static void hostile_snapshots_are_refused(void **state)
{
	static const char *const bodies[] = {
		BEAT("7"),
		BEAT("{}"),
		HEALTH("0", "true", "", ""),
		HEALTH("1", "1", "", ""),
		HEALTH("1", "true", "7", ""),
		HEALTH("1", "true", "[]", ""),
		HEALTH("1", "true", FACT("a b", "1", ""), ""),
		HEALTH("1", "true", FACT("a", "{}", ""), ""),
		HEALTH("1", "true", FACT("a", "[1]", ""), ""),
		HEALTH("1", "true", "{\"name\":\"a\",\"unit\":\"1\"}", ""),
		HEALTH("1", "true", "{\"name\":\"a\",\"unit\":7,\"value\":1}", ""),
		HEALTH("1", "true", FACT("a", "1", ",\"verdict\":\"fine\""), ""),
		HEALTH("1", "true", FACT("a", "1", ",\"more\":1"), ""),
		HEALTH("1", "true", "", "7"),
		HEALTH("1", "true", "", "{\"subject\":\"x\"}"),
	};
	struct rig *rig = *state;
	tl_auto(host) struct host host;

	rig_host(rig, "web", &host);
	for (size_t i = 0; i < TL_ARRAY_LEN(bodies); i++)
		assert_beat(rig, &host, bodies[i], 422);
}

/* `count` facts, the first being number `from`. */
static char *many(const char *head, int from, int count)
{
	char *body = malloc(64 * 1024);
	size_t len = (size_t)sprintf(body, "%s", head);

	for (int i = from; i < from + count; i++)
		len += (size_t)sprintf(body + len,
				       "%s{\"name\":\"f%d\",\"unit\":\"1\",\"value\":1}",
				       i > from ? "," : "", i);
	strcpy(body + len, "],\"gone\":[]}}");
	return body;
}

static void a_host_cannot_have_facts_without_end(void **state)
{
	struct rig *rig = *state;
	tl_auto(host) struct host host;
	tl_free char *too_many =
		many("{\"agent_version\":\"1\",\"uptime_s\":5,\"health\":{\"seq\":1,"
		     "\"full\":true,\"facts\":[",
		     0, TL_HOST_FACTS_MAX + 1);
	tl_free char *most = many("{\"agent_version\":\"1\",\"uptime_s\":5,\"health\":{\"seq\":1,"
				  "\"full\":true,\"facts\":[",
				  0, TL_HOST_FACTS_MAX);
	tl_free char *one_more =
		many("{\"agent_version\":\"1\",\"uptime_s\":5,\"health\":{\"seq\":2,"
		     "\"full\":false,\"facts\":[",
		     1000, 1);

	rig_host(rig, "web", &host);
	assert_beat(rig, &host, too_many, 422);
	assert_beat(rig, &host, most, 204);
	assert_beat(rig, &host, one_more, 413);
}

static void a_text_beyond_its_limit_is_refused(void **state)
{
	struct rig *rig = *state;
	tl_auto(host) struct host host;
	char text[TL_HOST_FACT_TEXT_MAX + 2], body[1024];

	rig_host(rig, "web", &host);
	memset(text, 'a', sizeof text);
	text[sizeof text - 1] = '\0';
	snprintf(body, sizeof body, HEALTH("1", "true", FACT("a", "\"%s\"", ""), ""), text);
	assert_beat(rig, &host, body, 422);
	snprintf(body, sizeof body, HEALTH("1", "true", FACT("a", "1", ",\"text\":\"%s\""), ""),
		 text);
	assert_beat(rig, &host, body, 422);
}

static const struct CMUnitTest tests[] = {
	RIG_TEST(facts_and_the_worst_verdict_are_shown),
	RIG_TEST(the_largest_number_is_followed_by_none),
	RIG_TEST(a_host_that_never_told_has_no_verdict),
	RIG_TEST(a_host_may_not_read_what_others_told),
	RIG_TEST(changes_are_put_over_what_was_told),
	RIG_TEST(changes_without_what_came_before_are_not_taken),
	RIG_TEST(a_verdict_keeps_its_beginning),
	RIG_TEST(hostile_snapshots_are_refused),
	RIG_TEST(a_host_cannot_have_facts_without_end),
	RIG_TEST(a_text_beyond_its_limit_is_refused),
};

int main(int argc, char **argv)
{
	return place_main("health", tests, TL_ARRAY_LEN(tests), argc, argv);
}
