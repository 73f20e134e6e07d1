/* What any local user can ask of the agent, at agent.sock. */
#include <towline/json.h>
#include <towline/str.h>

#include "daemon/agent.h"
#include "daemon/help.h"
#include "daemon/sessions.h"

static json_t *queue_json(const struct tl_agent *agent)
{
	int64_t items;
	uint64_t bytes;

	tl_queue_load(agent->queue, &items, &bytes);
	return json_pack("{s:I, s:I, s:i}", "items", (json_int_t)items, "bytes", (json_int_t)bytes,
			 "damaged", (int)tl_queue_damaged(agent->queue));
}

static int status(void *app, struct tl_ask *ask, struct tl_err *err)
{
	const struct tl_agent *agent = app;
	bool open = tl_stream_is_open(agent->stream);
	json_t *result =
		json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:o, s:I, s:o}", "agent_version",
			  TOWLINE_VERSION, "relay", agent->identity.url, "host_id",
			  agent->identity.host_id, "name", agent->identity.name, "connected",
			  (int)open, "helper", (int)tl_link_is_up(agent->link), "split",
			  (int)tl_link_is_split(agent->link), "queue", queue_json(agent),
			  "clock_offset_ms", (json_int_t)tl_relay_offset_ms(agent->relay),
			  "sessions", tl_agent_sessions_json(agent));

	(void)err;
	if (result && !open)
		json_object_set_new(result, "trouble",
				    json_string(tl_stream_trouble(agent->stream)));
	tl_ask_reply(ask, result, NULL, 0);
	return 0;
}

#define PATTERNS_MAX 64

struct help_args {
	const char *summary, *help_id, *profile, *level, *since, *until, *around, *boot;
	json_t *exclude, *include;
};

#define ARG(field) offsetof(struct help_args, field)

static int prepare(void *app, struct tl_ask *ask, struct tl_err *err)
{
	/* What times and names mean the collector knows; what is allowed, the helper. */
	static const struct tl_json_member members[] = {
		{"around", TL_JSON_TEXT, false, ARG(around), 0, 128},
		{"boot", TL_JSON_TEXT, false, ARG(boot), 0, 64},
		{"exclude", TL_JSON_ARRAY, false, ARG(exclude), 0, PATTERNS_MAX},
		{"include", TL_JSON_ARRAY, false, ARG(include), 0, PATTERNS_MAX},
		{"level", TL_JSON_NAME, false, ARG(level), 0, 16},
		{"profile", TL_JSON_TEXT, false, ARG(profile), 0, 320},
		{"since", TL_JSON_TEXT, false, ARG(since), 0, 128},
		{"summary", TL_JSON_TEXT, true, ARG(summary), 0, TL_ITEM_SUMMARY_MAX},
		{"until", TL_JSON_TEXT, false, ARG(until), 0, 128},
	};
	struct help_args args = {.summary = NULL};
	int rc = tl_json_read(ask->args, members, TL_ARRAY_LEN(members), &args, err);

	if (rc == 0 && args.summary[strspn(args.summary, " \t\r\n")] == '\0')
		rc = tl_err_set(err, TL_EINVAL,
				"the summary is empty: say in a few words what is wrong");
	return rc == 0 ? tl_help_prepare(app, ask, ask->args, err) : rc;
}

static int read_help_id(const struct tl_ask *ask, const char **ret_help_id, struct tl_err *err)
{
	static const struct tl_json_member members[] = {
		{"help_id", TL_JSON_ID, true, offsetof(struct help_args, help_id)},
	};
	struct help_args args = {.help_id = NULL};
	int rc = tl_json_read(ask->args, members, TL_ARRAY_LEN(members), &args, err);

	if (rc == 0)
		*ret_help_id = args.help_id;
	return rc;
}

static int submit(void *app, struct tl_ask *ask, struct tl_err *err)
{
	const char *help_id = NULL;
	int rc = read_help_id(ask, &help_id, err);

	return rc == 0 ? tl_help_submit(app, ask, help_id, err) : rc;
}

static int discard(void *app, struct tl_ask *ask, struct tl_err *err)
{
	const char *help_id = NULL;
	int rc = read_help_id(ask, &help_id, err);

	return rc == 0 ? tl_help_discard(app, ask, help_id, err) : rc;
}

static int show(void *app, struct tl_ask *ask, struct tl_err *err)
{
	const char *help_id = NULL;
	int rc = read_help_id(ask, &help_id, err);

	return rc == 0 ? tl_help_show(app, ask, help_id, err) : rc;
}

static int help_status(void *app, struct tl_ask *ask, struct tl_err *err)
{
	const char *help_id = NULL;
	int rc = read_help_id(ask, &help_id, err);

	return rc == 0 ? tl_help_status(app, ask, help_id, err) : rc;
}

const struct tl_verb tl_agent_verbs[] = {
	{"help.discard", 1, 1, 256, 0, 0, discard}, {"help.prepare", 1, 1, 32768, 0, 0, prepare},
	{"help.show", 1, 1, 256, 0, 0, show},	    {"help.status", 1, 1, 256, 0, 0, help_status},
	{"help.submit", 1, 1, 256, 0, 0, submit},   {"status", 1, 1, 256, 0, 0, status},
};
const size_t tl_agent_verb_count = TL_ARRAY_LEN(tl_agent_verbs);
