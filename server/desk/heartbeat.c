/* An agent's heartbeat: the host's row touched, and its health where there are news; nothing on any timeline. */
#include <stddef.h>

#include "desk/desk.h"
#include "desk/handlers.h"
#include "desk/health.h"
#include "desk/reply.h"

struct heartbeat {
	const char *agent_version;
	int64_t uptime_s, clock_offset_ms;
	json_t *queue, *health;
};

static const struct tl_json_member members[] = {
	{"agent_version", TL_JSON_TEXT, true, offsetof(struct heartbeat, agent_version), 0, 64},
	{"uptime_s", TL_JSON_INT, true, offsetof(struct heartbeat, uptime_s), 0, INT64_MAX},
	{"queue", TL_JSON_OBJECT, false, offsetof(struct heartbeat, queue), 0, 0},
	{"clock_offset_ms", TL_JSON_INT, false, offsetof(struct heartbeat, clock_offset_ms),
	 INT64_MIN, INT64_MAX},
	{"health", TL_JSON_OBJECT, false, offsetof(struct heartbeat, health), 0, 0},
};

static int touch_host(struct tl_http_call *call, const struct heartbeat *beat, struct tl_err *err)
{
	return tl_store_exec(tl_desk_store(call),
			     "UPDATE host SET last_seen_ms = $2, agent_version = $3, "
			     "clock_offset_ms = $4, address = $5 WHERE id = $1",
			     TL_ARGS(TL_ARG_TEXT(tl_http_principal(call)->id),
				     TL_ARG_INT(tl_clock_wall_ms(tl_desk_of(call)->clock)),
				     TL_ARG_TEXT(beat->agent_version),
				     TL_ARG_INT(beat->clock_offset_ms),
				     TL_ARG_TEXT(tl_http_peer(call))),
			     NULL, err);
}

void tl_heartbeat(struct tl_http_call *call)
{
	struct heartbeat beat = {.clock_offset_ms = 0};
	struct tl_host_health told = {.seq = 0};
	struct tl_err err = TL_ERR_INIT;
	bool is_gap = false;
	int r = tl_json_read(tl_http_json(call), members, TL_ARRAY_LEN(members), &beat, &err);

	if (r == 0 && beat.health)
		r = tl_host_health_read(beat.health, &told, &err);
	if (r == 0)
		r = touch_host(call, &beat, &err);
	if (r == 0 && beat.health)
		r = tl_host_health_take(tl_desk_store(call), tl_http_principal(call)->id, &told,
					tl_clock_wall_ms(tl_desk_of(call)->clock), &is_gap, &err);
	if (r)
		tl_reply_failure(call, NULL, &err);
	else if (is_gap)
		tl_http_reply(call, 200, json_pack("{s:s}", "health", "full"));
	else
		tl_http_reply(call, 204, NULL);
}
