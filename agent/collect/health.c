/* snapshot/health.json: the facts of agent/health, so that two bundles can be compared. */
#include "health/health.h"
#include "collect/collector.h"

/* The row's own time is longer: what may hang is given up by the snapshot itself. */
#define DEADLINE_MS 4000

int collect_health(struct collect_context *context, struct tl_err *err)
{
	struct tl_health_options options = {
		.root = context->root,
		.clock = context->clock,
		.deadline_ms = DEADLINE_MS,
		.is_lenient = true,
	};
	tl_json *snapshot = NULL;
	int r = tl_health_take(&options, &snapshot, err);

	if (r < 0)
		return r;
	/* Only for the next snapshot of the same process. */
	json_object_del(snapshot, "marks");
	json_object_del(snapshot, "costly_taken");
	return collect_member_json(context, "snapshot/health.json", snapshot, err);
}
