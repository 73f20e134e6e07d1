/* A bundle's file, open to be read more than once. Part of towline/bundle_inspect.h. */
#include <towline/bundle_inspect.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <towline/fs.h>
#include <towline/str.h>

#define NAMES_MAX 160

/* What comes through a pipe is kept in memory. */
static int copy_stream(int fd, int *ret_fd, struct tl_err *err)
{
	tl_fd int copy = memfd_create("towline-bundle", MFD_CLOEXEC);
	char piece[16384];
	uint64_t total = 0;
	ssize_t n;
	int r;

	if (copy < 0)
		return tl_err_sys(err, TL_EIO, errno, "no memory for the bundle");
	while ((n = read(fd, piece, sizeof piece)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return tl_err_sys(err, TL_EIO, errno, "the bundle cannot be read");
		total += (uint64_t)n;
		if (total > TL_SEALED_MAX_BYTES)
			return tl_err_set(err, TL_ETOOBIG, "the bundle is larger than %llu bytes",
					  (unsigned long long)TL_SEALED_MAX_BYTES);
		r = tl_fs_write_all(copy, piece, (size_t)n, err);
		if (r < 0)
			return r;
	}
	if (lseek(copy, 0, SEEK_SET) < 0)
		return tl_err_sys(err, TL_EIO, errno, "the bundle cannot be read");
	*ret_fd = tl_steal_fd(&copy);
	return 0;
}

static void list_recipients(const json_t *recipients, struct tl_buf *out)
{
	for (size_t i = 0; i < json_array_size(recipients); i++) {
		const json_t *one = json_array_get(recipients, i);
		const char *issuer = json_string_value(json_object_get(one, "issuer"));
		const char *serial = json_string_value(json_object_get(one, "serial"));

		if (!issuer)
			serial = json_string_value(json_object_get(one, "key_id"));
		tl_buf_printf(out, "%s%s%s%.40s", i ? "; " : "", issuer ? issuer : "key ",
			      issuer ? " serial " : "", serial ? serial : "?");
	}
}

/* Who reads this may have the key, but not Towline's options at hand. */
static int tell_sealed(int fd, const char *name, struct tl_err *err)
{
	tl_auto(tl_sealed_facts) struct tl_sealed_facts facts = {.bytes = 0};
	tl_auto(tl_buf) struct tl_buf names = TL_BUF_INIT(64 * 1024);
	int r = tl_sealed_check(fd, TL_SEALED_MAX_BYTES, &facts, err);

	if (r < 0)
		return r;
	list_recipients(facts.recipients, &names);
	return tl_err_set(err, TL_EDENIED,
			  "%.60s is sealed to %.*s: give --key and --cert, or run: openssl cms "
			  "-decrypt -inform DER -in FILE -inkey KEY -recip CERT -out BUNDLE",
			  name, NAMES_MAX > names.len ? (int)names.len : NAMES_MAX,
			  tl_buf_str(&names));
}

int tl_bundle_reopen(int fd, const char *name, const struct tl_unseal_key *key, int *ret_fd,
		     struct tl_err *err)
{
	tl_fd int at_begin = -1;
	int r = 0;

	if (lseek(fd, 0, SEEK_SET) == 0) {
		at_begin = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (at_begin < 0)
			return tl_err_sys(err, TL_EIO, errno, "cannot open %s", name);
	} else {
		r = copy_stream(fd, &at_begin, err);
	}
	if (r < 0)
		return r;
	if (!tl_sealed_fd(at_begin)) {
		*ret_fd = tl_steal_fd(&at_begin);
		return 0;
	}
	return key && key->key_path ? tl_unseal(at_begin, key, ret_fd, err)
				    : tell_sealed(at_begin, name, err);
}

int tl_bundle_open(const char *path, const struct tl_unseal_key *key, int *ret_fd,
		   struct tl_err *err)
{
	tl_fd int fd = -1;

	if (tl_streq(path, "-"))
		return tl_bundle_reopen(STDIN_FILENO, "standard input", key, ret_fd, err);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return tl_err_sys(err, TL_EIO, errno, "cannot open %s", path);
	return tl_bundle_reopen(fd, path, key, ret_fd, err);
}
