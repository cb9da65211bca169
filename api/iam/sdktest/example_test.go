package sdktest

import (
	"context"
	"testing"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"github.com/yandex-cloud/go-sdk/v2"
	"github.com/yandex-cloud/go-sdk/v2/credentials"
	"github.com/yandex-cloud/go-sdk/v2/pkg/endpoints"
	"github.com/yandex-cloud/go-sdk/v2/pkg/options"
	iamsdk "github.com/yandex-cloud/go-sdk/v2/services/iam/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// createRobot is what docs/iam.md shows of the SDK.
func createRobot(ctx context.Context, addr, folder string) error {
	creds, err := credentials.ServiceAccountKeyFile("owner.json")
	if err != nil {
		return err
	}
	sdk, err := ycsdk.Build(ctx,
		options.WithCredentials(creds),
		options.WithPlaintext(),
		options.WithEndpointsResolver(endpoints.NewSingleEndpointResolver(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))),
	)
	if err != nil {
		return err
	}
	op, err := iamsdk.NewServiceAccountClient(sdk).Create(ctx, &iam.CreateServiceAccountRequest{FolderId: folder, Name: "robot"})
	if err != nil {
		return err
	}
	account, err := op.Wait(ctx)
	if err != nil {
		return err
	}
	_, err = iamsdk.NewServiceAccountClient(sdk).Get(ctx, &iam.GetServiceAccountRequest{ServiceAccountId: account.Id})
	sdk.Shutdown(ctx)
	return err
}

func TestExample_Works(t *testing.T) {
	c := start(t)
	t.Chdir(t.TempDir())
	must(t, copyFile("owner.json", c.keyFile))
	must(t, createRobot(t.Context(), c.addr, c.FolderID))
}
