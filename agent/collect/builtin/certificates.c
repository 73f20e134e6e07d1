/* Certificates below the directories where services keep them, and the days that each has left. Files are
 * looked at only while they look like certificates; what is a key is never decoded, never written. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/str.h>

#include "collect/builtin/builtin.h"
#include "collect/builtin/snapshot.h"
#include "collect/interrupt.h"

#define FILES_MAX 4000
#define FILE_BYTES (1024 * 1024)
#define DEPTH_MAX 8
/* More in one file is a store of authorities: they are said to be of a store, and in short, since that
 * nobody renews them is no fault of this host. */
#define STORE_FROM 20
#define DAY_S 86400

struct search {
	struct collect_context *context;
	json_t *items;
	int files;
};

static bool looks_like_certificate(const char *name)
{
	static const char *const ends[] = {".pem", ".crt", ".cer",  ".cert",
					   ".der", ".p7b", ".chain"};

	if (strstr(name, "key"))
		return false;
	for (size_t i = 0; i < TL_ARRAY_LEN(ends); i++)
		if (tl_str_ends(name, ends[i]))
			return true;
	return false;
}

static json_t *name_text(const X509_NAME *name)
{
	char text[1024] = "";
	BIO *bio = BIO_new(BIO_s_mem());
	int len;

	if (!bio)
		return json_string("");
	X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
	len = BIO_read(bio, text, sizeof text - 1);
	text[len > 0 ? len : 0] = '\0';
	BIO_free(bio);
	return snapshot_text(text);
}

static json_t *serial_text(const X509 *certificate)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);
	const unsigned char *bytes = ASN1_STRING_get0_data(serial);
	int len = ASN1_STRING_length(serial);
	char hex[2 * 20 + 1] = "";

	if (len > 0 && len <= 20)
		tl_hex_encode(bytes, (size_t)len, hex);
	return json_string(hex);
}

static json_t *time_text(const ASN1_TIME *time)
{
	struct tm tm;
	char text[32] = "";

	if (ASN1_TIME_to_tm(time, &tm) == 1)
		strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

/* Rounded down: what ended an hour ago has -1 days left. */
static int64_t days_left(const struct collect_context *context, const X509 *certificate)
{
	struct tm tm;
	int64_t left;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) != 1)
		return 0;
	left = (int64_t)timegm(&tm) - tl_clock_wall_ms(context->clock) / 1000;
	return left >= 0 ? left / DAY_S : -((-left + DAY_S - 1) / DAY_S);
}

static json_t *describe(const struct search *search, X509 *certificate)
{
	char names[1024] = "";
	GENERAL_NAMES *others = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	size_t len = 0;

	for (int i = 0; others && i < sk_GENERAL_NAME_num(others) && len < sizeof names - 260;
	     i++) {
		const GENERAL_NAME *other = sk_GENERAL_NAME_value(others, i);

		if (other->type == GEN_DNS)
			len += (size_t)snprintf(names + len, sizeof names - len, "%s%.*s",
						len ? " " : "",
						ASN1_STRING_length(other->d.dNSName) % 254,
						ASN1_STRING_get0_data(other->d.dNSName));
	}
	GENERAL_NAMES_free(others);
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:b}", "subject",
			 name_text(X509_get_subject_name(certificate)), "issuer",
			 name_text(X509_get_issuer_name(certificate)), "serial",
			 serial_text(certificate), "not_before",
			 time_text(X509_get0_notBefore(certificate)), "not_after",
			 time_text(X509_get0_notAfter(certificate)), "days_left",
			 (json_int_t)days_left(search->context, certificate), "dns_names",
			 snapshot_text(names), "authority", X509_check_ca(certificate) > 0);
}

static json_t *describe_authority(const struct search *search, const X509 *certificate)
{
	return json_pack("{s:o, s:o, s:o, s:I}", "subject",
			 name_text(X509_get_subject_name(certificate)), "serial",
			 serial_text(certificate), "not_after",
			 time_text(X509_get0_notAfter(certificate)), "days_left",
			 (json_int_t)days_left(search->context, certificate));
}

static void take_certificate(const struct search *search, const char *path, int index, bool store,
			     X509 *certificate)
{
	char name[PATH_MAX + 16];
	json_t *item;

	snprintf(name, sizeof name, index > 1 || store ? "%s#%d" : "%s", path, index);
	item = store ? describe_authority(search, certificate) : describe(search, certificate);
	json_object_set_new(item, "store", json_boolean(store));
	snapshot_add(search->items, name, item);
}

/* Reads the certificates of a PEM text; of other blocks (keys) not even the base64 is decoded. */
static int walk_pem(const struct search *search, const char *path, const char *text, bool store)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----";
	int count = 0;

	for (const char *at = strstr(text, begin); at; at = strstr(at + 1, begin)) {
		BIO *bio;
		X509 *certificate;

		count++;
		if (!search)
			continue;
		bio = BIO_new_mem_buf(at, -1);
		certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
		if (certificate)
			take_certificate(search, path, count, store, certificate);
		X509_free(certificate);
		BIO_free(bio);
	}
	ERR_clear_error();
	return count;
}

static void take_der(const struct search *search, const char *path, const struct tl_buf *bytes)
{
	const unsigned char *at = (const unsigned char *)bytes->data;
	X509 *certificate = d2i_X509(NULL, &at, (long)bytes->len);

	if (certificate)
		take_certificate(search, path, 1, false, certificate);
	X509_free(certificate);
	ERR_clear_error();
}

static void take_file(struct search *search, const char *path)
{
	tl_auto(tl_buf) struct tl_buf bytes = TL_BUF_SECRET_INIT(FILE_BYTES);
	int count;

	search->files++;
	if (collect_excluded(search->context, path) ||
	    snapshot_load(search->context, path, &bytes) == 0)
		return;
	count = walk_pem(NULL, path, bytes.data, false);
	if (count == 0) {
		take_der(search, path, &bytes);
		return;
	}
	walk_pem(search, path, bytes.data, count >= STORE_FROM);
	if (count >= STORE_FROM)
		snapshot_add(search->items, path, json_pack("{s:i}", "certificates", count));
}

static int walk_directory(struct search *search, const char *path, int depth, struct tl_err *err)
{
	char full[PATH_MAX], below[PATH_MAX];
	struct dirent **entries = NULL;
	int count, r = interrupt_check(err);

	snprintf(full, sizeof full, "%.1000s%.3000s", search->context->root, path);
	count = depth < DEPTH_MAX ? scandir(full, &entries, NULL, alphasort) : 0;
	for (int i = 0; i < count; i++) {
		struct stat status;
		const char *name = entries[i]->d_name;
		bool wanted = name[0] != '.' && r == 0 && search->files < FILES_MAX;

		snprintf(below, sizeof below, "%.3000s/%s", path, name);
		snprintf(full, sizeof full, "%.1000s%.3000s", search->context->root, below);
		/* links are what a live directory of an ACME client has, and the store of authorities:
		 * they are followed to files where there is no number of them */
		if (wanted && lstat(full, &status) == 0) {
			bool link = S_ISLNK(status.st_mode) && strstr(path, "/live/") &&
				    stat(full, &status) == 0;

			if (S_ISDIR(status.st_mode) && !link)
				r = walk_directory(search, below, depth + 1, err);
			else if (S_ISREG(status.st_mode) && looks_like_certificate(name))
				take_file(search, below);
		}
		free(entries[i]);
	}
	free(entries);
	return r;
}

int collect_certificates(struct collect_context *context, struct tl_err *err)
{
	tl_json *items = json_array();
	struct search search = {.context = context, .items = items};
	int r = 0;

	for (const char *const *source = context->row->sources; r == 0 && *source; source++) {
		if (collect_expired(context, *source))
			break;
		r = walk_directory(&search, *source, 0, err);
	}
	if (r < 0)
		return r;
	if (search.files >= FILES_MAX)
		collect_note(context, "certificates", "truncated", "not all files were looked at");
	return snapshot_write(context, "certificates", items, err);
}
