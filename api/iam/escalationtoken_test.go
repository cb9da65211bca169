package iam

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	iamv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	resv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/pemba-authz/pemba/iam/credential"
	pb "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
)

// A forger writes assertions as no library would.
type forger struct {
	header, claims map[string]any
	private        *rsa.PrivateKey
	publicPEM      string
}

// forger returns one whose assertions are right until they are changed.
func (w *stage) forger(t *testing.T, key *credential.KeyFile) *forger {
	t.Helper()
	private, public := sharedKey()
	block, _ := pem.Decode([]byte(private))
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Unix()
	return &forger{
		header:  map[string]any{"typ": "JWT", "alg": "PS256", "kid": key.ID},
		claims:  map[string]any{"iss": key.ServiceAccountID, "aud": audience, "iat": now, "exp": now + 3600},
		private: parsed.(*rsa.PrivateKey), publicPEM: public,
	}
}

// sign makes the assertion, as its algorithm says.
func (f *forger) sign(t *testing.T) string {
	t.Helper()
	part := func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(data)
	}
	text := part(f.header) + "." + part(f.claims)
	sum := sha256.Sum256([]byte(text))
	var signature []byte
	var err error
	switch f.header["alg"] {
	case "PS256":
		signature, err = rsa.SignPSS(rand.Reader, f.private, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	case "RS256":
		signature, err = rsa.SignPKCS1v15(rand.Reader, f.private, crypto.SHA256, sum[:])
	case "HS256":
		h := hmac.New(sha256.New, []byte(f.publicPEM))
		h.Write([]byte(text))
		signature = h.Sum(nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func (w *stage) exchange(t *testing.T, jwt string) error {
	t.Helper()
	return only(w.tokens.Create(deadline(t), &iamv1.CreateIamTokenRequest{Identity: &iamv1.CreateIamTokenRequest_Jwt{Jwt: jwt}}))
}

func TestEscalation_ByAssertions(t *testing.T) {
	w := openStage(t, false)
	key := w.newKey(t, w.robot)
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Unix()
	for name, c := range map[string]struct {
		forge func(f *forger)
		field string
	}{
		"the key of another account":     {func(f *forger) { f.claims["iss"] = w.AccountID }, "iss"},
		"another account's key id":       {func(f *forger) { f.header["kid"] = w.KeyID }, "iss"},
		"a key that is none":             {func(f *forger) { f.header["kid"] = "ajk0" }, "kid"},
		"no key":                         {func(f *forger) { delete(f.header, "kid") }, "kid"},
		"a key by a path":                {func(f *forger) { f.header["kid"] = "../key/" + key.ID }, "kid"},
		"another private half":           {func(f *forger) { f.private = stranger }, "signature"},
		"expired":                        {func(f *forger) { f.claims["iat"], f.claims["exp"] = now-3700, now-100 }, "exp"},
		"of the future":                  {func(f *forger) { f.claims["iat"], f.claims["exp"] = now+600, now+1200 }, "iat"},
		"for more than an hour":          {func(f *forger) { f.claims["exp"] = now + 3700 }, "exp"},
		"without an end":                 {func(f *forger) { delete(f.claims, "exp") }, "exp"},
		"for ever":                       {func(f *forger) { f.claims["exp"] = 1e300 }, "jwt"},
		"algorithm none":                 {func(f *forger) { f.header["alg"] = "none" }, "alg"},
		"algorithm NONE":                 {func(f *forger) { f.header["alg"] = "NONE" }, "alg"},
		"no algorithm":                   {func(f *forger) { delete(f.header, "alg") }, "alg"},
		"algorithm RS256":                {func(f *forger) { f.header["alg"] = "RS256" }, "alg"},
		"HS256 with the public key":      {func(f *forger) { f.header["alg"] = "HS256" }, "alg"},
		"for another service":            {func(f *forger) { f.claims["aud"] = "https://other.example/tokens" }, "aud"},
		"for nobody":                     {func(f *forger) { f.claims["aud"] = []string{} }, "aud"},
		"critical extension":             {func(f *forger) { f.header["crit"] = []string{"b64"} }, "crit"},
		"an issuer that is a federation": {func(f *forger) { f.claims["iss"] = "" }, "iss"},
	} {
		f := w.forger(t, key)
		if err := w.exchange(t, f.sign(t)); err != nil {
			t.Fatal("as it should be:", err)
		}
		c.forge(f)
		err := w.exchange(t, f.sign(t))
		info := detail[*errdetails.ErrorInfo](status.Convert(err))
		if reasonless(err) != "Unauthenticated" || info.GetReason() != "INVALID_ASSERTION" || info.GetMetadata()["field"] != c.field {
			t.Errorf("%s: %v %v, want %s", name, err, info, c.field)
		}
	}
}

// whoami is a call that whoever has authenticated may make.
func (w *stage) whoami(ctx context.Context) error {
	return only(w.roles.Get(ctx, &iamv1.GetRoleRequest{RoleId: "viewer"}))
}

func TestEscalation_ByTokens(t *testing.T) {
	w := openStage(t, false)
	token := w.token(t, w.newKey(t, w.robot))
	if err := w.whoami(w.as(t, token)); err != nil {
		t.Fatal(err)
	}
	for i := 3; i < len(token); i += 7 { // a letter of the claims or of the signature
		if i == len(token)-1 {
			continue // of which two bits do not count
		}
		forged := []byte(token)
		forged[i] = "AB"[map[bool]int{true: 1}[forged[i] == 'A']]
		if err := w.whoami(w.as(t, string(forged))); reasonless(err) != "Unauthenticated" {
			t.Errorf("letter %d: %v", i, err)
		}
	}
	// Somebody's own signing key, under its own id and with no other.
	foreign, err := credential.NewSigningKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().Unix()
	signed := foreign.Sign(&credential.Claims{ID: "t", SubjectType: "serviceAccount", SubjectID: w.AccountID, IssuedAt: at, ExpiresAt: at + 3600})
	refused(t, w.whoami(w.as(t, signed)), "Unauthenticated INVALID_TOKEN")
	other := openStage(t, false)
	refused(t, w.whoami(w.as(t, other.token(t, other.key))), "Unauthenticated INVALID_TOKEN")
	for _, none := range []string{"t1.", "t1..", serviceKey, strings.Repeat("t", 5000), "", "null"} {
		if code := reasonless(w.whoami(w.as(t, none))); code != "Unauthenticated" {
			t.Errorf("%.10q: %s", none, code)
		}
	}
	must(w.tokens.Revoke(deadline(t), &iamv1.RevokeIamTokenRequest{IamToken: token}))(t)
	refused(t, w.whoami(w.as(t, token)), "Unauthenticated TOKEN_REVOKED")
	failed(t, only(w.access.Authenticate(w.service, &pb.AuthenticateRequest{IamToken: token, Consistency: latestView()})), "Unauthenticated TOKEN_REVOKED")
}

// ended is somebody with a token that has been good, and what ends it.
type ended struct {
	name string
	end  func(t *testing.T, id string, key *credential.KeyFile)
	want string
}

func TestEscalation_ByTokensThatHaveBeenGood(t *testing.T) {
	w := openStage(t, false)
	for _, c := range []ended{
		{"suspended", func(t *testing.T, id string, _ *credential.KeyFile) {
			must(w.accounts.Suspend(w.ctx, &iamv1.SuspendServiceAccountRequest{ServiceAccountId: id}))(t)
		}, "ACCOUNT_SUSPENDED"},
		{"deleted", func(t *testing.T, id string, _ *credential.KeyFile) {
			must(w.accounts.Delete(w.ctx, &iamv1.DeleteServiceAccountRequest{ServiceAccountId: id}))(t)
		}, "ACCOUNT_DELETED"},
		{"key deleted", func(t *testing.T, _ string, key *credential.KeyFile) {
			must(w.keys.Delete(w.ctx, &iamv1.DeleteKeyRequest{KeyId: key.ID}))(t)
		}, "KEY_DELETED"},
		{"expired account", func(t *testing.T, id string, _ *credential.KeyFile) {
			must(w.accounts.Update(w.ctx, &iamv1.UpdateServiceAccountRequest{ServiceAccountId: id, ExpiresAt: timestamppb.New(time.Now().Add(time.Hour)), UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"expires_at"}}}))(t)
			w.ahead.Store(int64(2 * time.Hour))
		}, "ACCOUNT_EXPIRED"},
		{"expired token", func(*testing.T, string, *credential.KeyFile) { w.ahead.Store(int64(13 * time.Hour)) }, "TOKEN_EXPIRED"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.ahead.Store(0)
			op := must(w.accounts.Create(w.ctx, &iamv1.CreateServiceAccountRequest{FolderId: w.FolderID, Name: strings.ReplaceAll(c.name, " ", "-")}))(t)
			id := response[*iamv1.ServiceAccount](t, op).GetId()
			key := w.newKey(t, id)
			token := w.token(t, key)
			ask := &pb.AuthorizeRequest{Identity: &pb.AuthorizeRequest_IamToken{IamToken: token}, Permission: "viewer", ResourcePath: []*pb.Resource{w.folder()}}
			for range 2 { // he is remembered
				if err := w.whoami(w.as(t, token)); err != nil {
					t.Fatal(err)
				}
				must(w.access.Authorize(w.service, ask))(t)
			}
			c.end(t, id, key)
			refused(t, w.whoami(w.as(t, token)), "Unauthenticated "+c.want)
			failed(t, only(w.access.Authorize(w.service, ask)), "Unauthenticated "+c.want)
			if c.want == "TOKEN_EXPIRED" {
				return
			}
			if err := w.exchange(t, must(key.Assertion(time.Now().Add(time.Duration(w.ahead.Load())), audience))(t)); reasonless(err) != "Unauthenticated" {
				t.Errorf("a new token: %v", err)
			}
		})
	}
}

func TestEscalation_ByImpersonation(t *testing.T) {
	w := openStage(t, false)
	id, ctx := w.someone(t, "creator", given{"iam.serviceAccounts.tokenCreator", w.folder()})
	third, _ := w.someone(t, "third")
	must(w.bind(w.ctx, accountResource(third), plusBinding("iam.serviceAccounts.tokenCreator", "serviceAccount", w.robot)))(t)
	asks := func(ctx context.Context, id string) (*iamv1.CreateIamTokenResponse, error) {
		return w.tokens.CreateForServiceAccount(ctx, &iamv1.CreateIamTokenForServiceAccountRequest{ServiceAccountId: id})
	}
	must(asks(w.robotContext, third))(t) // the robot itself may
	asRobot := w.as(t, must(asks(ctx, w.robot))(t).GetIamToken())
	if err := w.whoami(asRobot); err != nil {
		t.Fatal(err)
	}
	refused(t, only(asks(asRobot, third)), "PermissionDenied IMPERSONATION_CHAIN")
	refused(t, only(asks(asRobot, w.robot)), "PermissionDenied PERMISSION_DENIED")
	must(w.accounts.Suspend(w.ctx, &iamv1.SuspendServiceAccountRequest{ServiceAccountId: id}))(t)
	refused(t, w.whoami(asRobot), "Unauthenticated ACCOUNT_SUSPENDED") // who impersonates
	must(w.accounts.Reactivate(w.ctx, &iamv1.ReactivateServiceAccountRequest{ServiceAccountId: id}))(t)
	if err := w.whoami(asRobot); err != nil {
		t.Fatal(err)
	}
	must(w.accounts.Delete(w.ctx, &iamv1.DeleteServiceAccountRequest{ServiceAccountId: id}))(t)
	refused(t, w.whoami(asRobot), "Unauthenticated ACCOUNT_DELETED")
}

// An idempotency key of somebody else is none of one's own.
func TestEscalation_ByIdempotencyKeys(t *testing.T) {
	w := openStage(t, false)
	r := &iamv1.CreateServiceAccountRequest{FolderId: w.FolderID, Name: "once"}
	first := must(w.accounts.Create(once(w.ctx), r))(t)
	if again := must(w.accounts.Create(once(w.ctx), r))(t); again.GetId() != first.GetId() {
		t.Fatal("it is made twice")
	}
	_, err := w.accounts.Create(once(w.robotContext), r)
	lacks(t, err, "iam.serviceAccounts.create", w.folder())
	_, err = w.accounts.Create(once(deadline(t)), r)
	refused(t, err, "Unauthenticated NO_TOKEN")
	_, err = w.folders.Create(once(w.ctx), &resv1.CreateFolderRequest{CloudId: w.CloudID, Name: "once"})
	refused(t, err, "InvalidArgument IDEMPOTENCY_KEY_REUSED")
}

// once puts the same idempotency key to a call.
func once(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, idempotencyHeader, "0f0d5c57-7e1f-4a53-9a8e-8a4a8c4a1c11")
}
