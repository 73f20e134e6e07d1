/* Internationalised labels of domain names in their two spellings: "münchen" and "xn--mnchen-3ya" (RFC 3492).
 * Private to agent/redact. Any thread. */
#ifndef TOWLINE_REDACT_PUNYCODE_H
#define TOWLINE_REDACT_PUNYCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <towline/attr.h>
#include <towline/buf.h>

#define PUNYCODE_LABEL_MAX 63 /* bytes, RFC 1035 */

/* Appends a label in its ASCII spelling; one that is ASCII as it is. False (nothing appended) for what is no
 * UTF-8 or too long. */
TL_MUST_CHECK bool punycode_encode(const char *label, size_t len, struct tl_buf *out);
/* Appends the UTF-8 spelling of a label; one without "xn--" as it is. */
TL_MUST_CHECK bool punycode_decode(const char *label, size_t len, struct tl_buf *out);
/* All labels of a name. What cannot be translated stays as it is. */
void punycode_encode_name(const char *name, size_t len, struct tl_buf *out);
void punycode_decode_name(const char *name, size_t len, struct tl_buf *out);

#endif
