/* The frames of a call home. What they mean does not depend on how they are cut: read at once and byte by
 * byte gives the same stream, or the same refusal. */
#include <stdint.h>
#include <string.h>
#include <towline/buf.h>
#include <towline/line.h>

/* Something was sent, so that acknowledgements may be right. */
static struct tl_line *line_with_bytes(void)
{
	struct tl_line *line = tl_line_new(true, 0);
	const char *bytes;
	size_t len;

	if (!line || tl_line_put(line, "0123456789", 10) != 0 || tl_line_put(line, "x", 1) != 0)
		__builtin_trap();
	while (tl_line_next(line, &bytes, &len))
		tl_line_sent(line, len, 0);
	return line;
}

static int read_all(struct tl_line *line, const char *data, size_t size, size_t grip,
		    struct tl_buf *out)
{
	while (size > 0) {
		const char *bytes;
		size_t len, most = size < grip ? size : grip;
		ssize_t used = tl_line_read(line, data, most, 0, &bytes, &len);

		if (used < 0)
			return (int)used;
		if (used == 0 || (size_t)used > most || bytes < data || bytes + len > data + used)
			__builtin_trap();
		tl_buf_append(out, bytes, len);
		data += used;
		size -= (size_t)used;
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	tl_auto(tl_buf) struct tl_buf whole = TL_BUF_INIT(size), pieces = TL_BUF_INIT(size);
	struct tl_line *one = line_with_bytes(), *other = line_with_bytes();
	int rc = read_all(one, (const char *)data, size, SIZE_MAX, &whole);

	if (rc != read_all(other, (const char *)data, size, 1, &pieces) ||
	    whole.len != pieces.len || tl_line_received(one) != tl_line_received(other) ||
	    (whole.len > 0 && memcmp(whole.data, pieces.data, whole.len) != 0))
		__builtin_trap();
	if (tl_line_resume(one, 11, 0) != 0 || tl_line_resume(one, 12, 0) == 0)
		__builtin_trap();
	tl_line_free(one);
	tl_line_free(other);
	return 0;
}
