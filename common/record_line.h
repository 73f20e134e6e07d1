/* What writer and reader of recordings share: the text form of a line. Private to common/. */
#ifndef TOWLINE_RECORD_LINE_H
#define TOWLINE_RECORD_LINE_H

#include <stddef.h>
#include <towline/buf.h>

/* The last member of each line: ,"h":"<64 hexadecimal digits>"} */
#define TL_RECORD_HASH_MEMBER ",\"h\":\""

/* Appends `bytes` as the inside of a JSON string; what is no UTF-8, and NUL, becomes U+FFFD. With ret_rest, an
 * incomplete character at the end is left out and its length (at most 3) returned in *ret_rest. */
void tl_record_escape(struct tl_buf *out, const char *bytes, size_t len, size_t *ret_rest);

#endif
