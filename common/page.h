/* Printing prose for people: wrapped for a terminal or a comment, or escaped for mdoc(7). */
#ifndef COMMON_PAGE_H
#define COMMON_PAGE_H

#include <stddef.h>
#include <stdio.h>

#define PAGE_WIDTH 80

/* Prints `text` from column `at` on, in lines of at most PAGE_WIDTH columns, each further line
 * after `margin`. Line feeds in the text are kept, and so are lines that start with a blank
 * (examples). Ends with a line feed. */
void page_wrap(FILE *out, const char *margin, size_t at, const char *text);

/* Prints `text` as mdoc lines: backslashes and leading dots escaped, empty lines as .Pp, lines
 * that start with a blank as a literal display. Ends with a line feed. */
void page_mdoc(FILE *out, const char *text);
/* The same within a line: no line feed, for macro arguments. */
void page_mdoc_word(FILE *out, const char *text);

#endif
