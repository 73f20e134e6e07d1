#include "rig.h"

#include <stdio.h>
#include <string.h>
#include <towline/str.h>

static void file(struct rig *rig, const char *token, const char *json, const char *key,
		 struct reply *ret_reply)
{
	rig_ask(rig,
		&(struct ask){.method = "POST",
			      .path = "/v1/tickets",
			      .token = token,
			      .json = json,
			      .headers = {key}},
		ret_reply);
}

static void get(struct rig *rig, const char *token, const char *path, struct reply *ret_reply)
{
	rig_ask(rig, &(struct ask){.method = "GET", .path = path, .token = token}, ret_reply);
}

static void edit(struct rig *rig, const char *token, const char *etag, const char *json,
		 struct reply *ret_reply)
{
	char header[300];

	snprintf(header, sizeof header, "If-Match: %s", etag ? etag : "");
	rig_ask(rig,
		&(struct ask){.method = "PATCH",
			      .path = "/v1/tickets/T-1001",
			      .token = token,
			      .json = json,
			      .headers = {etag ? header : NULL}},
		ret_reply);
}

static void a_repeated_key_gives_the_same_ticket(void **state)
{
	struct rig *rig = *state;
	tl_auto(reply) struct reply first, again, other;
	char token[TL_TOKEN_TEXT_MAX];

	rig_person(rig, "erin", "engineer", token);
	file(rig, token, "{\"summary\":\"once\"}", "Idempotency-Key: k", &first);
	file(rig, token, "{\"summary\":\"once\"}", "Idempotency-Key: k", &again);
	file(rig, token, "{\"summary\":\"twice\"}", "Idempotency-Key: k", &other);
	assert_status(&first, 201);
	assert_status(&again, 201);
	assert_string_equal(first.text, again.text);
	assert_problem(&other, 422, "idempotency-key-reused");
	assert_int_equal(place_number(rig->store, "SELECT count(*) FROM ticket"), 1);
}

static void a_host_has_only_so_many_open_tickets(void **state)
{
	struct rig *rig = *state;
	tl_auto(host) struct host host;
	tl_auto(reply) struct reply second, third, again;

	rig_host(rig, "web", &host);
	rig->desk.host_tickets_max = 1;
	file(rig, host.token, "{\"summary\":\"one\"}", "Idempotency-Key: k", &second);
	assert_status(&second, 201);
	file(rig, host.token, "{\"summary\":\"two\"}", NULL, &third);
	assert_problem(&third, 429, "too-many-tickets");
	/* what was filed before is found, however many there are */
	file(rig, host.token, "{\"summary\":\"one\"}", "Idempotency-Key: k", &again);
	assert_status(&again, 201);
}

static void a_host_files_for_itself_only(void **state)
{
	struct rig *rig = *state;
	tl_auto(host) struct host one, two;
	tl_auto(reply) struct reply own, foreign;
	char json[128];

	rig_host(rig, "one", &one);
	rig_host(rig, "two", &two);
	file(rig, one.token, "{\"summary\":\"x\",\"requester\":{\"name\":\"Uma\"}}", NULL, &own);
	assert_status(&own, 201);
	assert_string_equal(reply_text(&own, "requester"), "Uma");
	snprintf(json, sizeof json, "{\"summary\":\"x\",\"host_id\":\"%s\"}", two.id);
	file(rig, one.token, json, NULL, &foreign);
	assert_problem(&foreign, 403, "other-host");
}

static void priority_follows_impact_and_urgency(void **state)
{
	struct rig *rig = *state;
	tl_auto(reply) struct reply reply;
	char token[TL_TOKEN_TEXT_MAX];

	rig_person(rig, "erin", "engineer", token);
	file(rig, token, "{\"summary\":\"x\",\"impact\":1,\"urgency\":2}", NULL, &reply);
	assert_int_equal(json_integer_value(json_object_get(reply.json, "priority")), 2);
}

static void an_edit_needs_the_version_that_was_read(void **state)
{
	struct rig *rig = *state;
	tl_auto(reply) struct reply filed, shown, blind, stale, good;
	char token[TL_TOKEN_TEXT_MAX], etag[256];

	rig_person(rig, "erin", "engineer", token);
	file(rig, token, "{\"summary\":\"x\"}", NULL, &filed);
	get(rig, token, "/v1/tickets/t-1001", &shown);
	reply_header(&shown, "ETag", etag);
	edit(rig, token, NULL, "{\"state\":\"open\"}", &blind);
	assert_problem(&blind, 428, "if-match-required");
	edit(rig, token, "\"99\"", "{\"state\":\"open\"}", &stale);
	assert_status(&stale, 412);
	edit(rig, token, etag, "{\"state\":\"open\",\"impact\":1,\"urgency\":1}", &good);
	assert_status(&good, 200);
	assert_string_equal(reply_text(&good, "state"), "open");
	assert_int_equal(json_integer_value(json_object_get(good.json, "priority")), 1);
}

static void a_closed_ticket_is_not_reopened(void **state)
{
	struct rig *rig = *state;
	tl_auto(reply) struct reply filed, closed, reopened;
	char token[TL_TOKEN_TEXT_MAX];

	rig_person(rig, "erin", "engineer", token);
	file(rig, token, "{\"summary\":\"x\"}", NULL, &filed);
	place_sql(rig->store, "UPDATE ticket SET state = 'resolved', version = 7");
	edit(rig, token, "\"7\"", "{\"state\":\"closed\"}", &closed);
	assert_status(&closed, 200);
	edit(rig, token, "\"8\"", "{\"state\":\"open\"}", &reopened);
	assert_problem(&reopened, 409, "state-not-reachable");
}

static void pages_follow_the_cursor(void **state)
{
	struct rig *rig = *state;
	char token[TL_TOKEN_TEXT_MAX], path[128] = "/v1/tickets?limit=2";
	size_t seen = 0, pages = 0;
	int i;

	rig_person(rig, "erin", "engineer", token);
	for (i = 0; i < 5; i++) {
		tl_auto(reply) struct reply reply;

		tl_clock_fake_advance(&rig->clock, 10);
		file(rig, token, "{\"summary\":\"x\"}", NULL, &reply);
		assert_status(&reply, 201);
	}
	while (path[0]) {
		tl_auto(reply) struct reply page;

		get(rig, token, path, &page);
		assert_status(&page, 200);
		seen += json_array_size(json_object_get(page.json, "items"));
		pages++;
		path[0] = '\0';
		if (*reply_text(&page, "next"))
			snprintf(path, sizeof path, "/v1/tickets?limit=2&after=%s",
				 reply_text(&page, "next"));
	}
	assert_int_equal(seen, 5);
	assert_int_equal(pages, 3);
}

static void a_note_is_on_the_timeline(void **state)
{
	struct rig *rig = *state;
	tl_auto(reply) struct reply filed, noted, shown;
	char token[TL_TOKEN_TEXT_MAX];

	rig_person(rig, "erin", "engineer", token);
	file(rig, token, "{\"summary\":\"x\"}", NULL, &filed);
	rig_ask(rig,
		&(struct ask){.method = "POST",
			      .path = "/v1/tickets/T-1001/timeline",
			      .token = token,
			      .json = "{\"text\":\"looked at it\"}"},
		&noted);
	assert_status(&noted, 201);
	get(rig, token, "/v1/tickets/T-1001/timeline", &shown);
	assert_int_equal(json_array_size(json_object_get(shown.json, "items")), 2);
	assert_non_null(strstr(shown.text, "looked at it"));
	assert_non_null(strstr(shown.text, "\"actor_name\":"));
}

static void an_unknown_member_is_named(void **state)
{
	struct rig *rig = *state;
	tl_auto(reply) struct reply reply;
	char token[TL_TOKEN_TEXT_MAX];

	rig_person(rig, "erin", "engineer", token);
	file(rig, token, "{\"summary\":\"x\",\"severity\":1}", NULL, &reply);
	assert_status(&reply, 422);
	assert_non_null(strstr(reply_text(&reply, "detail"), "severity"));
}

static void a_body_beyond_its_limit_is_refused(void **state)
{
	struct rig *rig = *state;
	tl_auto(reply) struct reply reply;
	tl_free char *much = malloc(4 * 1024 * 1024 + 1);
	char token[TL_TOKEN_TEXT_MAX];

	assert_non_null(much);
	memset(much, ' ', 4 * 1024 * 1024);
	much[4 * 1024 * 1024] = '\0';
	rig_person(rig, "erin", "engineer", token);
	rig_ask(rig,
		&(struct ask){
			.method = "POST", .path = "/v1/tickets", .token = token, .json = much},
		&reply);
	assert_status(&reply, 413);
}

static void the_audit_trail_holds_after_all_this(void **state)
{
	struct rig *rig = *state;
	tl_auto(reply) struct reply filed, trail, denied;
	char erin[TL_TOKEN_TEXT_MAX], olga[TL_TOKEN_TEXT_MAX];

	rig_person(rig, "erin", "engineer", erin);
	rig_person(rig, "olga", "auditor", olga);
	file(rig, erin, "{\"summary\":\"x\"}", NULL, &filed);
	get(rig, erin, "/v1/audit", &denied);
	assert_status(&denied, 403);
	get(rig, olga, "/v1/audit", &trail);
	assert_status(&trail, 200);
	assert_non_null(strstr(trail.text, "\"ticket.create\""));
}

static const struct CMUnitTest tests[] = {
	RIG_TEST(a_repeated_key_gives_the_same_ticket),
	RIG_TEST(a_host_files_for_itself_only),
	RIG_TEST(priority_follows_impact_and_urgency),
	RIG_TEST(an_edit_needs_the_version_that_was_read),
	RIG_TEST(a_closed_ticket_is_not_reopened),
	RIG_TEST(pages_follow_the_cursor),
	RIG_TEST(a_note_is_on_the_timeline),
	RIG_TEST(a_host_has_only_so_many_open_tickets),
	RIG_TEST(an_unknown_member_is_named),
	RIG_TEST(a_body_beyond_its_limit_is_refused),
	RIG_TEST(the_audit_trail_holds_after_all_this),
};

int main(int argc, char **argv)
{
	return place_main("ticket", tests, TL_ARRAY_LEN(tests), argc, argv);
}
