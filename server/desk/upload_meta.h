/* Upload-Metadata of the tus protocol (tus.io/protocols/resumable-upload, "Creation"): pairs of a key
 * and a base64 value, separated by commas. Unknown and repeated keys are refused. Any thread. */
#ifndef TOWLINE_SERVER_UPLOAD_META_H
#define TOWLINE_SERVER_UPLOAD_META_H

#include <towline/attr.h>
#include <towline/err.h>

#define TL_UPLOAD_JWS_MAX 4096

struct tl_upload_meta {
	char kind[16]; /* "bundle" | "recording" */
	char ticket[33];
	char session[27];
	char bundle[27];
	char sha256[65];
	char filename[129];
	char jws[TL_UPLOAD_JWS_MAX + 1];
	char consent[TL_UPLOAD_JWS_MAX + 1];
};

/* Fields that are absent are "". TL_EINVAL names what is wrong: syntax, an unknown key, a value of the
 * wrong form, or a key that the kind needs. */
TL_MUST_CHECK int tl_upload_meta_parse(const char *header, struct tl_upload_meta *ret_meta,
				       struct tl_err *err);

#endif
