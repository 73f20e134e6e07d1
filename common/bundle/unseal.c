/* Opening sealed files. Part of towline/sealed.h. */
#include <towline/sealed.h>

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct opening {
	EVP_PKEY *key;
	X509 *cert;
	CMS_ContentInfo *cms;
};

static void opening_clear(struct opening *opening)
{
	EVP_PKEY_free(opening->key);
	X509_free(opening->cert);
	CMS_ContentInfo_free(opening->cms);
	ERR_clear_error();
}
TL_DEFINE_AUTO(opening, opening_clear);

static int open_pem(const char *path, BIO **ret_bio, struct tl_err *err)
{
	errno = 0;
	*ret_bio = BIO_new_file(path, "r");
	return *ret_bio ? 0 : tl_err_sys(err, TL_EIO, errno, "cannot open %s", path);
}

static int load(struct opening *opening, const struct tl_unseal_key *paths, struct tl_err *err)
{
	BIO *key = NULL, *cert = NULL;
	int r = open_pem(paths->key_path, &key, err);

	if (r == 0 && paths->cert_path)
		r = open_pem(paths->cert_path, &cert, err);
	opening->key = key ? PEM_read_bio_PrivateKey(key, NULL, NULL, NULL) : NULL;
	opening->cert = cert ? PEM_read_bio_X509(cert, NULL, NULL, NULL) : NULL;
	BIO_free(key);
	BIO_free(cert);
	if (r < 0)
		return r;
	if (!opening->key)
		return tl_err_set(err, TL_EINVAL, "%s holds no private key in PEM that opens",
				  paths->key_path);
	if (paths->cert_path && !opening->cert)
		return tl_err_set(err, TL_EINVAL, "%s holds no certificate in PEM",
				  paths->cert_path);
	if (opening->cert && X509_check_private_key(opening->cert, opening->key) != 1)
		return tl_err_set(err, TL_EINVAL, "%s is not the key of the certificate %s",
				  paths->key_path, paths->cert_path);
	return 0;
}

/* The whole file is decoded in memory: no more than a bundle may have. */
static int check_size(int fd, struct tl_err *err)
{
	struct stat st;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return tl_err_set(err, TL_EINVAL, "a sealed bundle is opened from a file only");
	if ((uint64_t)st.st_size > TL_SEALED_MAX_BYTES)
		return tl_err_set(err, TL_ETOOBIG, "the bundle is larger than %llu bytes",
				  (unsigned long long)TL_SEALED_MAX_BYTES);
	return 0;
}

static int decode(struct opening *opening, int fd, struct tl_err *err)
{
	BIO *in = BIO_new_fd(fd, BIO_NOCLOSE);

	opening->cms = in ? d2i_CMS_bio(in, NULL) : NULL;
	BIO_free(in);
	return opening->cms
		       ? 0
		       : tl_err_set(err, TL_EINVAL, "the sealed bundle is damaged or cut short");
}

static int decrypt(const struct opening *opening, int fd, struct tl_err *err)
{
	BIO *out = BIO_new_fd(fd, BIO_NOCLOSE);
	int r = 0;

	if (!out)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the bundle");
	if (CMS_decrypt_set1_pkey(opening->cms, opening->key, opening->cert) != 1)
		r = tl_err_set(err, TL_EDENIED, "the bundle is not sealed to this key");
	else if (CMS_decrypt(opening->cms, NULL, NULL, NULL, out, CMS_BINARY) != 1)
		r = tl_err_set(err, TL_ESIG, "the sealed bundle was changed or is damaged");
	BIO_free(out);
	return r;
}

int tl_unseal(int fd, const struct tl_unseal_key *key, int *ret_fd, struct tl_err *err)
{
	tl_auto(opening) struct opening opening = {NULL};
	tl_fd int plain = memfd_create("towline-unsealed", MFD_CLOEXEC);
	int r = plain < 0 ? tl_err_sys(err, TL_EIO, errno, "no memory for the opened bundle") : 0;

	if (r == 0)
		r = check_size(fd, err);
	if (r == 0)
		r = load(&opening, key, err);
	if (r == 0)
		r = decode(&opening, fd, err);
	if (r == 0)
		r = decrypt(&opening, plain, err);
	if (r == 0 && lseek(plain, 0, SEEK_SET) < 0)
		r = tl_err_sys(err, TL_EIO, errno, "the opened bundle cannot be read");
	if (r == 0)
		*ret_fd = tl_steal_fd(&plain);
	return r;
}
