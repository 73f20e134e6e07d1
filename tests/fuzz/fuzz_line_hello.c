/* The header field with which a call home begins or goes on: what is taken is written the same. */
#include <stdint.h>
#include <string.h>
#include <towline/attr.h>
#include <towline/line.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	tl_free char *text = calloc(1, size + 1);
	struct tl_line_hello hello, again;
	char written[TL_LINE_HELLO_MAX];

	if (!text)
		__builtin_trap();
	if (size > 0)
		memcpy(text, data, size);
	if (tl_line_hello_parse(text, &hello) != 0)
		return 0;
	tl_line_hello_write(&hello, written);
	if (tl_line_hello_parse(written, &again) != 0 || strcmp(hello.token, again.token) != 0 ||
	    hello.received != again.received || hello.gap_ms != again.gap_ms)
		__builtin_trap();
	return 0;
}
