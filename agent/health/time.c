/* The clock, as the kernel judges it and as the relay's differs from it. */
#include <math.h>
#include <sys/timex.h>

#include "health/run.h"

static void tell_kernel_clock(struct health_run *run)
{
	struct timex clock = {.modes = 0}; /* only asks */

	if (adjtimex(&clock) < 0)
		return;
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
