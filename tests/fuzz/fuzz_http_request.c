/* The request parser: a header block, and after it a body in pieces whose sizes the input chooses. */
#include <stdint.h>
#include <string.h>

#include "http/request.h"

/* The first byte sizes the pieces; the rest is what a client sends. */
static void feed_body(struct tl_request *request, const char *bytes, size_t len, size_t step)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(1 << 20);

	while (len > 0 && !request->body_done) {
		ptrdiff_t used =
			tl_request_take_body(request, bytes, len < step ? len : step, &out);

		if (used <= 0 || tl_buf_check(&out) < 0)
			return;
		bytes += used;
		len -= (size_t)used;
	}
}

/* What the fields are used for must hold for any that were accepted. */
static void read_fields(const struct tl_request *request)
{
	for (size_t i = 0; i < request->field_count; i++) {
		size_t len = strlen(request->fields[i].value) + strlen(request->fields[i].name);

		if (len > 1 << 20 || !tl_request_field(request, request->fields[i].name))
			__builtin_trap();
	}
	tl_request_has_token(request, "connection", "upgrade");
	if (request->path[0] == '\0' || strchr(request->path, '?'))
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data + 1;
	struct tl_request request;
	const char *reason = NULL;
	size_t head;

	if (size < 2)
		return 0;
	head = tl_request_find_end(bytes, size - 1, 0);
	if (head == 0)
		return 0;
	if (tl_request_parse(&request, bytes, head, &reason) == 0) {
		read_fields(&request);
		feed_body(&request, bytes + head, size - 1 - head, (size_t)data[0] + 1);
	} else if (!reason) {
		__builtin_trap();
	}
	tl_request_clear(&request);
	return 0;
}
