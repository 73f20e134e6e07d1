#include "daemon/limits.h"

#include <stdio.h>
#include <towline/fs.h>
#include <towline/log.h>
#include <towline/str.h>

#define LIMITS_FILE "bundle_room"

void tl_limits_recall(struct tl_agent *agent)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(32);

	if (tl_fs_read_file(agent->state_fd, LIMITS_FILE, &text, NULL) == 0 &&
	    tl_str_i64(tl_buf_str(&text), 0, INT64_MAX, &agent->bundle_room) != 0)
		tl_log_warning("the relay's limits were kept in a damaged file");
}

static void keep_limits(struct tl_agent *agent, int64_t room)
{
	struct tl_err err = TL_ERR_INIT;
	char text[32];

	if (room == agent->bundle_room)
		return;
	agent->bundle_room = room;
	snprintf(text, sizeof(text), "%lld", (long long)room);
	if (tl_fs_write_file(agent->state_fd, LIMITS_FILE, 0600, text, strlen(text), &err) != 0)
		tl_log_warning("the relay's limits cannot be kept", TL_ERR(&err));
}

void tl_limits_note(struct tl_agent *agent, const struct tl_reply *reply)
{
	int64_t max = json_integer_value(json_object_get(reply->json, "bundle_max_bytes"));
	int64_t left = json_integer_value(json_object_get(reply->json, "quota_left_bytes"));

	if (reply->status == 200 && max > 0 && left >= 0)
		keep_limits(agent, left < max ? left : max);
}
