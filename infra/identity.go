package main

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscognito"
	"github.com/aws/jsii-runtime-go"

	"joboutputs/shared/config"
)

// identity is whose tokens the service accepts: those of a Cognito user pool made here,
// or those of any OpenID Connect issuer.
type identity struct {
	issuer      *string
	environment map[string]*string // of the functions that verify tokens

	pool   awscognito.UserPool // nil with an issuer of one's own
	client awscognito.UserPoolClient
}

// privileges are the attributes that say who a user is to the service. Only an
// administrator of the pool writes them.
var privileges = []string{"tenant", "upk", "nodes"}

func newIdentity(stack awscdk.Stack, s settings) identity {
	if o := s.OIDC; o != nil {
		env := map[string]*string{config.TokenIssuer: &o.Issuer, config.TokenAudience: &o.Audience, config.TokenJWKS: &o.JWKS}
		if o.Uses != "" {
			env[config.TokenUses] = &o.Uses
		}
		if o.Claims != "" {
			env[config.TokenClaims] = &o.Claims
		}
		return identity{issuer: &o.Issuer, environment: env}
	}
	pool, client := newUserPool(stack, s)
	// As the attribute ProviderURL has it, which emulators have not.
	issuer := awscdk.Fn_Sub(jsii.String("https://cognito-idp.${AWS::Region}.${AWS::URLSuffix}/${Pool}"), &map[string]*string{"Pool": pool.UserPoolId()})
	return identity{
		issuer: issuer, pool: pool, client: client,
		environment: map[string]*string{
			config.TokenIssuer:   issuer,
			config.TokenAudience: client.UserPoolClientId(),
			config.TokenJWKS:     awscdk.Fn_Join(jsii.String(""), &[]*string{issuer, jsii.String("/.well-known/jwks.json")}),
			// Cognito puts custom attributes into ID tokens alone.
			config.TokenUses:   jsii.String("id"),
			config.TokenClaims: jsii.String(cognitoClaims()),
		},
	}
}

// cognitoClaims says under which names Cognito's tokens carry our claims.
func cognitoClaims() string {
	var pairs []string
	for _, name := range privileges {
		pairs = append(pairs, name+"=custom:"+name)
	}
	return strings.Join(append(pairs, "username=cognito:username", "admin=cognito:groups"), ",")
}

// newUserPool makes a pool whose users only administrators make, and an app client that
// only holders of cognito-idp:AdminInitiateAuth can log in with: the functions obtain and
// refresh.
func newUserPool(stack awscdk.Stack, s settings) (awscognito.UserPool, awscognito.UserPoolClient) {
	custom := map[string]awscognito.ICustomAttribute{}
	for _, name := range privileges {
		custom[name] = awscognito.NewStringAttribute(&awscognito.StringAttributeProps{
			MinLen: jsii.Number(1), MaxLen: jsii.Number(2048), Mutable: jsii.Bool(true),
		})
	}
	pool := awscognito.NewUserPool(stack, jsii.String("UserPool"), &awscognito.UserPoolProps{
		UserPoolName:        jsii.String(s.stack()),
		SelfSignUpEnabled:   jsii.Bool(false),
		SignInAliases:       &awscognito.SignInAliases{Username: jsii.Bool(true)},
		SignInCaseSensitive: jsii.Bool(true),
		AccountRecovery:     awscognito.AccountRecovery_NONE,
		CustomAttributes:    &custom,
		PasswordPolicy: &awscognito.PasswordPolicy{
			MinLength: jsii.Number(12), RequireDigits: jsii.Bool(false), RequireLowercase: jsii.Bool(false),
			RequireSymbols: jsii.Bool(false), RequireUppercase: jsii.Bool(false),
			TempPasswordValidity: awscdk.Duration_Days(jsii.Number(7)),
		},
		DeletionProtection: jsii.Bool(s.prod()),
		RemovalPolicy:      kept(s),
	})
	awscognito.NewCfnUserPoolGroup(stack, jsii.String("Admins"), &awscognito.CfnUserPoolGroupProps{
		UserPoolId:  pool.UserPoolId(),
		GroupName:   jsii.String("admin"),
		Description: jsii.String("may do everything in their tenant"),
	})

	attributes := func() awscognito.ClientAttributes {
		return awscognito.NewClientAttributes().WithStandardAttributes(&awscognito.StandardAttributesMask{
			Email: jsii.Bool(true), Fullname: jsii.Bool(true),
		})
	}
	var readable []*string
	for _, name := range privileges {
		readable = append(readable, jsii.String("custom:"+name))
	}
	client := pool.AddClient(jsii.String("Client"), &awscognito.UserPoolClientOptions{
		GenerateSecret:             jsii.Bool(false),
		AuthFlows:                  &awscognito.AuthFlow{AdminUserPassword: jsii.Bool(true)}, // and ALLOW_REFRESH_TOKEN_AUTH, always
		DisableOAuth:               jsii.Bool(true),
		PreventUserExistenceErrors: jsii.Bool(true),
		ReadAttributes:             attributes().WithCustomAttributes(readable...),
		WriteAttributes:            attributes(),
		IdTokenValidity:            awscdk.Duration_Hours(jsii.Number(1)),
		AccessTokenValidity:        awscdk.Duration_Hours(jsii.Number(1)),
		RefreshTokenValidity:       awscdk.Duration_Days(jsii.Number(7)),
	})
	return pool, client
}
