#include "rig.h"

#include <stdio.h>
#include <string.h>
#include <towline/str.h>

static const struct {
	unsigned role;
	const char *name;
} people[] = {
	{TL_ROLE_REQUESTER, "requester"},   {TL_ROLE_ENGINEER, "engineer"},
	{TL_ROLE_SUPERVISOR, "supervisor"}, {TL_ROLE_AUDITOR, "auditor"},
	{TL_ROLE_ADMIN, "admin"},
};

/* "/v1/tickets/:number" → "/v1/tickets/x" */
static void fill_pattern(const char *pattern, char *path)
{
	while (*pattern) {
		if (*pattern == ':') {
			*path++ = 'x';
			pattern += strcspn(pattern, "/");
		} else {
			*path++ = *pattern++;
		}
	}
	*path = '\0';
}

static long try_route(struct rig *rig, const struct tl_http_route *route, const char *token)
{
	tl_auto(reply) struct reply reply;
	char path[256];

	fill_pattern(route->pattern, path);
	rig_ask(rig,
		&(struct ask){.method = route->method,
			      .path = path,
			      .token = token,
			      .json = route->body == TL_BODY_JSON ? "{}" : NULL,
			      .bytes = route->body == TL_BODY_STREAM ? "" : NULL},
		&reply);
	return reply.status;
}

/* Streams never end by themselves. */
static bool is_stream(const struct tl_http_route *route)
{
	return tl_streq(route->pattern, "/v1/events") ||
	       tl_streq(route->pattern, "/v1/agent/stream");
}

static void check_row(struct rig *rig, const struct tl_http_route *route, unsigned role,
		      const char *name, const char *token)
{
	long status;

	if ((route->roles & role) && is_stream(route))
		return;
	status = try_route(rig, route, token);
	if (route->roles & (role | TL_ROLE_NOBODY)) {
		if (status == 401 || status == 403)
			fail_msg("%s %s refuses %s with %ld", route->method, route->pattern, name,
				 status);
	} else if (status != (role ? 403 : 401)) {
		fail_msg("%s %s answers %s with %ld", route->method, route->pattern, name, status);
	}
}

static void only_the_roles_of_a_row_get_past_the_dispatcher(void **state)
{
	struct rig *rig = *state;
	tl_auto(host) struct host host;
	const struct tl_http_route *routes;
	size_t count, i, p;
	char tokens[TL_ARRAY_LEN(people)][TL_TOKEN_TEXT_MAX];

	routes = tl_desk_routes(&count);
	rig_host(rig, "web", &host);
	for (p = 0; p < TL_ARRAY_LEN(people); p++)
		rig_person(rig, people[p].name, people[p].name, tokens[p]);
	for (i = 0; i < count; i++) {
		if (tl_streq(routes[i].pattern, "/v1/users/:login/tokens") ||
		    tl_streq(routes[i].pattern, "/v1/oauth/token"))
			continue; /* these decide further by the person and by the assertion */
		check_row(rig, &routes[i], 0, "nobody", NULL);
		check_row(rig, &routes[i], TL_ROLE_HOST, "a host", host.token);
		for (p = 0; p < TL_ARRAY_LEN(people); p++)
			check_row(rig, &routes[i], people[p].role, people[p].name, tokens[p]);
	}
}

static void every_row_has_a_summary_and_a_limit_for_its_body(void **state)
{
	const struct tl_http_route *routes;
	size_t count, i;

	(void)state;
	routes = tl_desk_routes(&count);
	for (i = 0; i < count; i++) {
		assert_non_null(routes[i].summary);
		assert_int_equal(routes[i].body == TL_BODY_NONE, routes[i].max_body == 0);
		assert_int_equal(routes[i].body == TL_BODY_STREAM, routes[i].sink != NULL);
	}
}

static void a_user_makes_tokens_for_oneself_only(void **state)
{
	struct rig *rig = *state;
	tl_auto(reply) struct reply own, others, used, revoked, refused;
	char erin[TL_TOKEN_TEXT_MAX], ada[TL_TOKEN_TEXT_MAX], path[128];
	const char *made;

	rig_person(rig, "erin", "engineer", erin);
	rig_person(rig, "ada", "admin", ada);
	rig_ask(rig,
		&(struct ask){.method = "POST",
			      .path = "/v1/users/erin/tokens",
			      .token = erin,
			      .json = "{\"name\":\"ci\",\"life_s\":60}"},
		&own);
	assert_status(&own, 201);
	rig_ask(rig,
		&(struct ask){.method = "POST",
			      .path = "/v1/users/ada/tokens",
			      .token = erin,
			      .json = "{}"},
		&others);
	assert_problem(&others, 403, "not-yours");
	made = reply_text(&own, "token");
	rig_ask(rig, &(struct ask){.method = "GET", .path = "/v1/me", .token = made}, &used);
	assert_string_equal(reply_text(&used, "login"), "erin");
	snprintf(path, sizeof path, "/v1/tokens/%s", reply_text(&own, "id"));
	rig_ask(rig, &(struct ask){.method = "DELETE", .path = path, .token = ada}, &revoked);
	assert_status(&revoked, 204);
	rig_ask(rig, &(struct ask){.method = "GET", .path = "/v1/me", .token = made}, &refused);
	assert_status(&refused, 401);
}

static const struct CMUnitTest tests[] = {
	RIG_TEST(only_the_roles_of_a_row_get_past_the_dispatcher),
	RIG_TEST(every_row_has_a_summary_and_a_limit_for_its_body),
	RIG_TEST(a_user_makes_tokens_for_oneself_only),
};

int main(int argc, char **argv)
{
	return place_main("routes", tests, TL_ARRAY_LEN(tests), argc, argv);
}
