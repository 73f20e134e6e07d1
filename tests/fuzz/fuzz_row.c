/* What a collecting process says, were it in another's hands. */
#include <assert.h>

#include "collect/row.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct collector collector = {
		.name = "c", .group = "g", .summary = "s", .max_bytes = 1000, .timeout_ms = 1000};
	tl_auto(row) struct row row;
	tl_auto(tl_buf) struct tl_buf in = TL_BUF_INIT(FRAME_PAYLOAD_MAX * 2);
	struct tl_err err = TL_ERR_INIT;
	struct frame frame;
	int r = 0;

	row_init(&row, &collector, false);
	tl_buf_append(&in, data, size);
	while (r == 0 && frame_next(&in, &frame, &err) == 1) {
		r = row_take(&row, &frame, &err);
		frame_consume(&in, &frame);
	}
	row_break(&row, "failed", "over", 0);
	assert(!row.open);
	return 0;
}
