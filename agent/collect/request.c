#include <string.h>
#include <towline/str.h>

#include "collect/collect.h"

#define FIELD(field) offsetof(struct collect_request, field)

static const struct tl_json_member request_members[] = {
	{"help_id", TL_JSON_ID, false, FIELD(help_id), 0, 0},
	{"bundle", TL_JSON_ID, false, FIELD(bundle), 0, 0},
	{"summary", TL_JSON_TEXT, false, FIELD(summary), 0, 16384},
	{"profile", TL_JSON_NAME, false, FIELD(profile), 0, 64},
	{"agent_version", TL_JSON_TEXT, false, FIELD(agent_version), 0, 64},
	{"host", TL_JSON_TEXT, false, FIELD(host), 0, 256},
	{"ticket", TL_JSON_NAME, false, FIELD(ticket), 0, 32},
};

int collect_request_read(const json_t *json, struct collect_request *ret_request,
			 struct tl_err *err)
{
	struct collect_request request = {.profile = "standard"};
	int r = tl_json_read(json, request_members, TL_ARRAY_LEN(request_members), &request, err);

	if (r < 0) {
		tl_err_prefix(err, "the request");
		return r;
	}
	if (!tl_streq(request.profile, "standard") && !tl_streq(request.profile, "quick"))
		return tl_err_set(err, TL_EINVAL,
				  "there is no profile \"%.64s\": choose standard or quick",
				  request.profile);
	*ret_request = request;
	return 0;
}
