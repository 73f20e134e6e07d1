/* The clock, as the kernel judges it and as the relay's differs from it. */
#include <math.h>
#include <sys/timex.h>

#include "health/run.h"

/* systemd-timesyncd's own sign, for a service that may not ask the kernel (ProtectClock=). */
static bool timesyncd_is_content(const struct health_run *run)
{
	char path[4096];

	return health_path(run, "/run/systemd/timesync/synchronized", path) &&
	       access(path, F_OK) == 0;
}

static void tell_kernel_clock(struct health_run *run)
{
	struct timex clock = {.modes = 0}; /* only asks */

	if (adjtimex(&clock) < 0) {
		if (timesyncd_is_content(run))
			health_truth(run, "clock_synchronised", NULL, true, NULL);
		return;
	}
	health_truth(run, "clock_synchronised", NULL, !(clock.status & STA_UNSYNC),
		     clock.status & STA_UNSYNC
			     ? "No time service keeps the clock: it drifts by seconds a day"
			     : NULL);
	if (!(clock.status & STA_UNSYNC))
		health_number(run, "clock_error", NULL, (double)clock.esterror / 1e6, NULL);
}

void health_probe_time(struct health_run *run)
{
	const struct tl_health_agent *agent = run->options->agent;

	tell_kernel_clock(run);
	if (agent && agent->has_offset)
		health_number(run, "clock_skew", NULL, fabs((double)agent->clock_offset_ms) / 1000,
			      NULL);
}

void health_probe_agent(struct health_run *run)
{
	const struct tl_health_agent *agent = run->options->agent;

	if (agent && agent->queue_items >= 0)
		health_number(run, "queue_items", NULL, (double)agent->queue_items, NULL);
}
