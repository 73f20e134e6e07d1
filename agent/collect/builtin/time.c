/* How far the clock can be trusted: what the kernel knows of its discipline, and the hardware's clock. */
#include <stdio.h>
#include <sys/timex.h>

#include "collect/builtin/builtin.h"
#include "collect/builtin/snapshot.h"

int collect_time(struct collect_context *context, struct tl_err *err)
{
	struct timex timex = {.modes = 0}; /* reads only */
	tl_json *facts = json_pack("{s:i}", "schema", 1);
	int state = adjtimex(&timex);
	int64_t hardware_s, now_ms = tl_clock_wall_ms(context->clock);

	if (state >= 0) {
		/* adjtimex(2): the offset is in nanoseconds where STA_NANO is set, the frequency is
		 * scaled by 2^16 */
		double unit = timex.status & STA_NANO ? 1e9 : 1e6;

		json_object_set_new(facts, "synchronised",
				    json_boolean(!(timex.status & STA_UNSYNC) &&
						 state != TIME_ERROR));
		json_object_set_new(facts, "offset_s", json_real((double)timex.offset / unit));
		json_object_set_new(facts, "frequency_ppm", json_real((double)timex.freq / 65536));
		json_object_set_new(facts, "error_estimate_s",
				    json_real((double)timex.esterror / 1e6));
		json_object_set_new(facts, "error_most_s", json_real((double)timex.maxerror / 1e6));
		json_object_set_new(facts, "tai_offset_s", json_integer(timex.tai));
	}
	if (snapshot_number(context, "/sys/class/rtc/rtc0/since_epoch", &hardware_s))
		json_object_set_new(facts, "hardware_clock_ahead_s",
				    json_integer(hardware_s - now_ms / 1000));
	return collect_member_json(context, "snapshot/time.json", facts, err);
}
