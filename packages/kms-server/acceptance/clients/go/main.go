// The AWS SDK for Go, Tink's envelope AEAD and go-cloud's secrets, each with a key of the KMS.
// Needs KEY_ARN.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/tink-crypto/tink-go-awskms/v3/integration/awskms"
	"github.com/tink-crypto/tink-go/v2/aead"
	"gocloud.dev/secrets"
	_ "gocloud.dev/secrets/awskms"
)

func main() {
	for _, client := range []struct {
		name string
		run  func(context.Context, string) error
	}{{"AWS SDK for Go v2", sdk}, {"Tink", tink}, {"go-cloud", cloud}} {
		if err := client.run(context.Background(), os.Getenv("KEY_ARN")); err != nil {
			log.Fatalf("%s: %v", client.name, err)
		}
		fmt.Println(client.name)
	}
}

func sdk(ctx context.Context, key string) error {
	settings, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	client := kms.NewFromConfig(settings)
	made, err := client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{
		KeyId:             &key,
		KeySpec:           types.DataKeySpecAes256,
		EncryptionContext: map[string]string{"app": "orders"},
	})
	if err != nil {
		return err
	}
	opened, err := client.Decrypt(ctx, &kms.DecryptInput{
		CiphertextBlob:    made.CiphertextBlob,
		EncryptionContext: map[string]string{"app": "orders"},
	})
	if err != nil {
		return err
	}
	if !bytes.Equal(opened.Plaintext, made.Plaintext) {
		return errors.New("another data key came back")
	}
	_, err = client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: made.CiphertextBlob})
	var refused *types.InvalidCiphertextException
	if !errors.As(err, &refused) {
		return fmt.Errorf("without its context: %v", err)
	}
	return nil
}

func tink(ctx context.Context, key string) error {
	client, err := awskms.NewClientWithOptions(ctx, "aws-kms://"+key)
	if err != nil {
		return err
	}
	remote, err := client.GetAEAD("aws-kms://" + key)
	if err != nil {
		return err
	}
	envelope := aead.NewKMSEnvelopeAEAD2(aead.AES256GCMKeyTemplate(), remote)
	return roundTrip(
		func(plaintext []byte) ([]byte, error) { return envelope.Encrypt(plaintext, []byte("orders/1")) },
		func(message []byte) ([]byte, error) { return envelope.Decrypt(message, []byte("orders/1")) },
	)
}

func cloud(ctx context.Context, key string) error {
	keeper, err := secrets.OpenKeeper(ctx, "awskms:///"+key+"?context_app=orders")
	if err != nil {
		return err
	}
	defer keeper.Close()
	return roundTrip(
		func(plaintext []byte) ([]byte, error) { return keeper.Encrypt(ctx, plaintext) },
		func(message []byte) ([]byte, error) { return keeper.Decrypt(ctx, message) },
	)
}

// roundTrip expects that a message opens, and that it does not after a bit of it was changed.
func roundTrip(encrypt, decrypt func([]byte) ([]byte, error)) error {
	plaintext := []byte(strings.Repeat("correct horse ", 100))
	message, err := encrypt(plaintext)
	if err != nil {
		return err
	}
	opened, err := decrypt(message)
	if err != nil {
		return err
	}
	if !bytes.Equal(opened, plaintext) {
		return errors.New("another plaintext came back")
	}
	message[len(message)-1] ^= 1
	if _, err = decrypt(message); err == nil {
		return errors.New("an altered message was opened")
	}
	return nil
}
