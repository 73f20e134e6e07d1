#include <string.h>
#include <towline/str.h>

#include "collect/collect.h"

#define FIELD(field) offsetof(struct wire, request.field)
#define LIST_MAX 256
#define RECIPIENTS_MAX 16

/* How it stands in the JSON. */
struct wire {
	struct collect_request request;
	const char *level;
};

static const struct tl_json_member request_members[] = {
	{"agent_version", TL_JSON_TEXT, false, FIELD(agent_version), 0, 64},
	{"around", TL_JSON_TEXT, false, FIELD(around), 0, 128},
	{"boot", TL_JSON_TEXT, false, FIELD(boot), 0, 64},
	{"bundle", TL_JSON_ID, false, FIELD(bundle), 0, 0},
	{"consent", TL_JSON_TEXT, false, FIELD(consent), 0, 128},
	{"dry_run", TL_JSON_BOOL, false, FIELD(dry_run), 0, 0},
	{"exclude", TL_JSON_ARRAY, false, FIELD(exclude), 0, LIST_MAX},
	{"has_map", TL_JSON_BOOL, false, FIELD(has_map), 0, 0},
	{"help_id", TL_JSON_ID, false, FIELD(help_id), 0, 0},
	{"host", TL_JSON_TEXT, false, FIELD(host), 0, 256},
	{"include", TL_JSON_ARRAY, false, FIELD(include), 0, LIST_MAX},
	{"level", TL_JSON_NAME, false, offsetof(struct wire, level), 0, 16},
	{"max_bytes", TL_JSON_INT, false, FIELD(max_bytes), 0, INT64_MAX},
	{"named", TL_JSON_ARRAY, false, FIELD(named), 0, 2 * LIST_MAX},
	{"profile", TL_JSON_TEXT, false, FIELD(profile), 0, 320},
	{"recipients", TL_JSON_ARRAY, false, FIELD(recipients), 0, RECIPIENTS_MAX},
	{"since", TL_JSON_TEXT, false, FIELD(since), 0, 128},
	{"started", TL_JSON_TEXT, false, FIELD(started), 0, 64},
	{"state_dir", TL_JSON_TEXT, false, FIELD(state_dir), 0, 4000},
	{"summary", TL_JSON_TEXT, false, FIELD(summary), 0, 16384},
	{"ticket", TL_JSON_NAME, false, FIELD(ticket), 0, 32},
	{"until", TL_JSON_TEXT, false, FIELD(until), 0, 128},
};

static const char *const level_names[] = {
	[TL_REDACT_SECRETS] = "secrets",
	[TL_REDACT_IDENTITIES] = "identities",
	[TL_REDACT_OFF] = "off",
};

const char *collect_level_name(enum tl_redact_level level)
{
	return level_names[level];
}

static int read_level(struct wire *wire, struct tl_err *err)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(level_names); i++)
		if (tl_streq(level_names[i], wire->level)) {
			wire->request.level = (enum tl_redact_level)i;
			return 0;
		}
	return tl_err_set(err, TL_EINVAL,
			  "there is no level \"%.16s\": choose secrets, identities or off",
			  wire->level);
}

int collect_request_read(const json_t *json, struct collect_request *ret_request,
			 struct tl_err *err)
{
	struct wire wire = {.request = {.profile = "standard"}, .level = "secrets"};
	int r = tl_json_read(json, request_members, TL_ARRAY_LEN(request_members), &wire, err);

	if (r == 0)
		r = read_level(&wire, err);
	if (r < 0) {
		tl_err_prefix(err, "the request");
		return r;
	}
	*ret_request = wire.request;
	return 0;
}
