#include "core/sse.h"

#include <stdio.h>
#include <towline/str.h>

void tl_sse_init(struct tl_sse *sse, tl_sse_event *on_event, void *arg)
{
	*sse = (struct tl_sse){.on_event = on_event, .arg = arg};
	tl_buf_init(&sse->line, TL_SSE_EVENT_MAX);
	tl_buf_init(&sse->data, TL_SSE_EVENT_MAX);
}

static void dispatch(struct tl_sse *sse)
{
	if (sse->has_data)
		sse->on_event(sse->arg, sse->event[0] ? sse->event : "message",
			      tl_buf_str(&sse->data), sse->data.len);
	/* An idle stream holds no memory for the largest event that it once carried. */
	tl_buf_clear(&sse->data);
	tl_buf_init(&sse->data, TL_SSE_EVENT_MAX);
	sse->event[0] = '\0';
	sse->has_data = false;
}

static void take_field(struct tl_sse *sse, const char *name, size_t name_len, const char *value,
		       size_t value_len)
{
	if (name_len == 5 && memcmp(name, "event", 5) == 0) {
		if (value_len < sizeof(sse->event)) {
			memcpy(sse->event, value, value_len);
			sse->event[value_len] = '\0';
		} else {
			snprintf(sse->event, sizeof(sse->event), "too-long");
		}
	} else if (name_len == 4 && memcmp(name, "data", 4) == 0) {
		if (sse->has_data)
			tl_buf_putc(&sse->data, '\n');
		tl_buf_append(&sse->data, value, value_len);
		sse->has_data = true;
	}
}

static void end_line(struct tl_sse *sse)
{
	const char *line = tl_buf_str(&sse->line);
	size_t len = sse->line.len;
	const char *colon = memchr(line, ':', len);

	if (len == 0) {
		dispatch(sse);
	} else if (!colon) {
		take_field(sse, line, len, "", 0);
	} else if (colon != line) { /* a line that begins with a colon is a comment */
		const char *value = colon + 1;
		size_t value_len = len - (size_t)(value - line);

		if (value_len > 0 && value[0] == ' ') {
			value++;
			value_len--;
		}
		take_field(sse, line, (size_t)(colon - line), value, value_len);
	}
	tl_buf_reset(&sse->line);
}

static void skip_byte_order_mark(struct tl_sse *sse)
{
	if (sse->after_bom)
		return;
	sse->after_bom = true;
	if (sse->line.len >= 3 && memcmp(sse->line.data, "\xef\xbb\xbf", 3) == 0)
		tl_buf_consume(&sse->line, 3);
}

int tl_sse_feed(struct tl_sse *sse, const char *bytes, size_t len)
{
	while (len > 0) {
		size_t run = 0;

		if (sse->after_cr && bytes[0] == '\n') {
			sse->after_cr = false;
			bytes++;
			len--;
			continue;
		}
		sse->after_cr = false;
		while (run < len && bytes[run] != '\r' && bytes[run] != '\n')
			run++;
		tl_buf_append(&sse->line, bytes, run);
		if (run < len) {
			skip_byte_order_mark(sse);
			sse->after_cr = bytes[run] == '\r';
			if (tl_buf_check(&sse->line) == 0)
				end_line(sse);
			run++;
		}
		if (tl_buf_check(&sse->line) != 0 || tl_buf_check(&sse->data) != 0)
			return TL_ETOOBIG;
		bytes += run;
		len -= run;
	}
	return 0;
}

void tl_sse_clear(struct tl_sse *sse)
{
	tl_buf_clear(&sse->line);
	tl_buf_clear(&sse->data);
}
