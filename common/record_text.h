/* Terminal output as lines of plain text: what a person would have read, without colours and with what was
 * overwritten on its line. No terminal: where a program moves to another line of the screen, a new line of text
 * begins. Input is hostile: all is bounded. One thread. */
#ifndef TOWLINE_COMMON_RECORD_TEXT_H
#define TOWLINE_COMMON_RECORD_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TL_RECORD_TEXT_CELLS 1024 /* a longer line goes on in the next one */

struct tl_record_text {
	int (*on_line)(void *arg, double at, const char *text);
	void *arg;
	double at; /* when the line's first character came */
	unsigned state;
	unsigned params[4], param_count;
	uint32_t partial; /* of a character in UTF-8 */
	unsigned missing;
	size_t len, cursor;
	uint32_t cells[TL_RECORD_TEXT_CELLS];
};

/* `on_line` gets each line without its end; what it returns other than 0 ends the feeding and is returned. */
void tl_record_text_init(struct tl_record_text *text,
			 int (*on_line)(void *arg, double at, const char *text), void *arg);
int tl_record_text_feed(struct tl_record_text *text, double at, const char *bytes, size_t len);
/* What stands on the line that has no end yet. */
int tl_record_text_end(struct tl_record_text *text);

#endif
