#include "redact/block.h"

#include <stdbool.h>
#include <string.h>

#define KEY_TAIL_MIN 16 /* a key block's line ends in at least so many base64 digits */

static bool is_key_byte(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '+' || c == '/' || c == '=';
}

/* Does a line belong to a key block: blank, an encapsulated header, or base64 at its end? (A log puts
 * its own words before each line of a key.) */
static bool is_block_line(const char *text, size_t len)
{
	size_t tail = 0;

	while (len > 0 && strchr(" \t\r\"',;\\n", text[len - 1]))
		len--;
	if (len == 0)
		return true;
	while (tail < len && is_key_byte(text[len - tail - 1]))
		tail++;
	return tail == len || tail >= KEY_TAIL_MIN || memmem(text, len, "Proc-Type:", 10) ||
	       memmem(text, len, "DEK-Info:", 9) || memmem(text, len, "Version:", 8) ||
	       memmem(text, len, "Comment:", 8);
}

size_t block_line(struct block *block, const char *text, size_t len)
{
	const char *marker = memmem(text, len, block->end, strlen(block->end));
	size_t at;

	if (!marker) {
		if (block->lines_left-- > 1 && is_block_line(text, len))
			return len;
		block->end = NULL;
		return 0;
	}
	at = (size_t)(marker - text) + strlen(block->end);
	block->end = NULL;
	while (at < len && text[at] != '-')
		at++;
	while (at < len && text[at] == '-')
		at++;
	return at;
}
