#include <stdio.h>
#include <string.h>

#include "redact/redactor.h"

#define WITHHELD "[withheld: redaction failed]"

int emit(struct tl_redactor *redactor, const char *bytes, size_t len, struct tl_err *err)
{
	return len ? redactor->output(redactor->arg, bytes, len, err) : 0;
}

int emit_withheld(struct tl_redactor *redactor, struct tl_err *err)
{
	redactor->withheld++;
	return emit(redactor, WITHHELD, strlen(WITHHELD), err);
}

int emit_mark(struct tl_redactor *redactor, unsigned rule, struct tl_err *err)
{
	char text[96];
	int len = snprintf(text, sizeof text, "[redacted:%s]", redactor->rules->set.rules[rule].id);

	redactor->counts[rule]++;
	return emit(redactor, text, (size_t)len, err);
}

static int put_pseudonym(struct tl_redactor *redactor, const struct span *span, const char *text,
			 struct tl_err *err)
{
	enum tl_identity_class class = span->rule - MATCHER_IDENTITY;

	tl_buf_reset(&redactor->replace);
	if (tl_identities_replace(redactor->identities, class, text + span->start,
				  span->end - span->start, &redactor->replace) < 0)
		return emit_withheld(redactor, err);
	redactor->identity_counts[class]++;
	return emit(redactor, redactor->replace.data, redactor->replace.len, err);
}

static int put_span(struct tl_redactor *redactor, const struct span *span, const char *text,
		    struct tl_err *err)
{
	if (span->rule >= MATCHER_IDENTITY)
		return put_pseudonym(redactor, span, text, err);
	if (span->open_block)
		redactor->block = (struct block){redactor->rules->set.rules[span->rule].block_end,
						 TL_REDACT_PEM_LINES_MAX};
	return emit_mark(redactor, span->rule, err);
}

int emit_replaced(struct tl_redactor *redactor, const char *text, size_t from, size_t cut,
		  struct tl_err *err)
{
	for (size_t i = 0; i < redactor->matcher.count; i++) {
		const struct span *span = &redactor->matcher.spans[i];
		int r;

		if (span->end <= from)
			continue;
		if (span->start >= cut)
			break;
		r = span->start > from ? emit(redactor, text + from, span->start - from, err) : 0;
		if (r == 0)
			r = put_span(redactor, span, text, err);
		if (r < 0)
			return r;
		from = span->end;
	}
	return from < cut ? emit(redactor, text + from, cut - from, err) : 0;
}
